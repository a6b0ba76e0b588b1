"""RFC 8785 JSON and digests over it."""

import hashlib

import rfc8785


def canonical_json(value: object) -> bytes:
    """UTF-8 bytes of the RFC 8785 form. Raises `rfc8785.CanonicalizationError` for what JSON cannot hold."""
    return rfc8785.dumps(value)  # type: ignore[arg-type]


def digest_of(value: object) -> str:
    """SHA-256 (hex) over RFC 8785 JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
