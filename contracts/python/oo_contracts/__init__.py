"""The Python mirror of `contracts/src`: ids, streams, subjects, instants, canonical JSON, events.

Message types are generated from `contracts/proto` (package `oo.v1`); what is here is functions around them.
`contracts/vectors` pins that this package and the TypeScript one read and write the same bytes.
"""
