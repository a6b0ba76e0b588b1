import persistent from '@eventstore/db-client/generated/persistent_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import fc from 'fast-check';
import emptyPb from 'google-protobuf/google/protobuf/empty_pb.js';
import { describe, expect, it } from 'vitest';
import { Flag, RecordView, recordSize, varintSize, writeRecord, writeVarint } from '../storage/record.js';
import { decodeBatchRequest } from './append-request.js';
import { ProtoReader } from './protobuf.js';
import { encodeReadEvent } from './recorded-event.js';
import { parseUuid, readUuidText, uuidText } from './uuid.js';

const { Empty } = emptyPb;

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((array) => Buffer.from(array));

const record = fc
  .record({
    position: fc.integer({ min: 64, max: 2 ** 47 }),
    revision: fc.integer({ min: 0, max: 2 ** 40 }),
    json: fc.boolean(),
    id,
    created: fc.integer({ min: 1_600_000_000_000_000, max: 2_000_000_000_000_000 }),
    stream: fc.string({ minLength: 1, maxLength: 300, unit: 'grapheme' }),
    type: fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme' }),
    metadata: bytes(300),
    data: bytes(20_000),
  })
  .map((fields) => {
    const stream = Buffer.from(fields.stream);
    const type = Buffer.from(fields.type);
    const size = recordSize(stream.length, type.length, fields.metadata, fields.data);
    const buffer = Buffer.alloc(size + 10);
    writeRecord(buffer, 7, size, { ...fields, stream, type, flags: fields.json ? Flag.json : 0 });
    return { fields, view: new RecordView(buffer, 7, size) };
  });

describe('an event on the wire', () => {
  it('is what the generated code reads', () => {
    fc.assert(
      fc.property(record, fc.boolean(), ({ fields, view }, structuredUuid) => {
        const message = encodeReadEvent({ event: view, link: undefined }, { structuredUuid });
        const event = streams.ReadResp.deserializeBinary(message).getEvent();
        const recorded = event?.getEvent();
        const uuid = recorded?.getId();
        const words = uuid?.getStructured();
        const read = structuredUuid
          ? Buffer.concat([
              words64(words?.getMostSignificantBits()),
              words64(words?.getLeastSignificantBits()),
            ])
          : parseUuid(uuid?.getString() ?? '');
        expect(read.equals(fields.id)).toBe(true);
        expect(Buffer.from(recorded?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()).toBe(
          fields.stream,
        );
        expect(recorded?.getStreamRevision()).toBe(String(fields.revision));
        expect(recorded?.getCommitPosition()).toBe(String(fields.position));
        expect(recorded?.getPreparePosition()).toBe(String(fields.position));
        expect(event?.getCommitPosition()).toBe(String(fields.position));
        expect(recorded?.getMetadataMap().get('type')).toBe(fields.type);
        expect(recorded?.getMetadataMap().get('created')).toBe(`${fields.created}0`);
        expect(recorded?.getMetadataMap().get('content-type')).toBe(
          fields.json ? 'application/json' : 'application/octet-stream',
        );
        expect(Buffer.from(recorded?.getCustomMetadata_asU8() ?? []).equals(fields.metadata)).toBe(true);
        expect(Buffer.from(recorded?.getData_asU8() ?? []).equals(fields.data)).toBe(true);
      }),
    );
  });

  it('carries its link and the count of its retries to a persistent subscription', () => {
    fc.assert(
      fc.property(record, record, fc.nat(1000), (event, link, retries) => {
        const message = encodeReadEvent(
          { event: event.view, link: link.view },
          { structuredUuid: false },
          retries,
        );
        const read = persistent.ReadResp.deserializeBinary(message).getEvent();
        expect(read?.getRetryCount()).toBe(retries);
        expect(read?.getLink()?.getStreamRevision()).toBe(String(link.fields.revision));
        expect(read?.getEvent()?.getStreamRevision()).toBe(String(event.fields.revision));
        // The position of the record that was read, for both.
        expect(read?.getEvent()?.getCommitPosition()).toBe(String(link.fields.position));
        expect(read?.getCommitPosition()).toBe(String(link.fields.position));
      }),
    );
  });
});

function words64(value: string | undefined): Buffer {
  const word = Buffer.alloc(8);
  word.writeBigInt64BE(BigInt(value ?? '0'));
  return word;
}

describe('an append on the wire', () => {
  it('is read as the generated code writes it', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.oneof(
          fc.constantFrom('any', 'no_stream', 'stream_exists'),
          fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        ),
        fc.array(
          fc.record({ id, type: fc.string(), json: fc.boolean(), metadata: bytes(50), data: bytes(500) }),
        ),
        fc.boolean(),
        (stream, expected, events, final) => {
          const options = new streams.BatchAppendReq.Options().setStreamIdentifier(
            new shared.StreamIdentifier().setStreamName(Buffer.from(stream)),
          );
          const empty = new Empty();
          if (expected === 'any') options.setAny(empty);
          else if (expected === 'no_stream') options.setNoStream(empty);
          else if (expected === 'stream_exists') options.setStreamExists(empty);
          else options.setStreamPosition(String(expected));
          const request = new streams.BatchAppendReq().setOptions(options).setIsFinal(final);
          for (const event of events) {
            const message = new streams.BatchAppendReq.ProposedMessage()
              .setId(new shared.UUID().setString(uuidText(event.id)))
              .setCustomMetadata(event.metadata)
              .setData(event.data);
            message.getMetadataMap().set('type', event.type);
            message
              .getMetadataMap()
              .set('content-type', event.json ? 'application/json' : 'application/octet-stream');
            request.addProposedMessages(message);
          }
          const decoded = decodeBatchRequest(Buffer.from(request.serializeBinary()));
          expect(decoded.options?.stream).toBe(stream);
          expect(BigInt.asUintN(64, typeof expected === 'bigint' ? expected : 0n)).toBe(
            typeof expected === 'bigint' ? BigInt(decoded.options?.expected as number | bigint) : 0n,
          );
          if (typeof expected === 'string') expect(decoded.options?.expected).toBe(expected);
          expect(decoded.final).toBe(final);
          expect(decoded.proposals).toHaveLength(events.length);
          for (const [n, event] of events.entries()) {
            const proposal = decoded.proposals[n];
            expect(proposal?.id?.equals(event.id)).toBe(true);
            expect(proposal?.type).toBe(event.type);
            expect(proposal?.metadata.equals(event.metadata)).toBe(true);
            expect(proposal?.data.equals(event.data)).toBe(true);
          }
        },
      ),
    );
  });

  it('is refused when it is cut off, wherever that is', () => {
    const request = new streams.BatchAppendReq().setCorrelationId(
      new shared.UUID().setString('00000000-0000-4000-8000-000000000001'),
    );
    request.addProposedMessages(new streams.BatchAppendReq.ProposedMessage().setData(Buffer.alloc(40)));
    const message = Buffer.from(request.serializeBinary());
    expect(decodeBatchRequest(message).proposals).toHaveLength(1);
    let refused = 0;
    for (let length = 1; length < message.length; length++) {
      const cut = message.subarray(0, length);
      try {
        decodeBatchRequest(cut);
      } catch (error) {
        expect(String(error)).toMatch(/cut off/);
        refused++;
      }
    }
    // Only the place between two fields cannot be told from an end.
    expect(refused).toBe(message.length - 2);
  });
});

describe('the pieces', () => {
  it('writes varints of any exact size, and reads them back', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const target = Buffer.alloc(10);
        const end = writeVarint(target, 0, value);
        expect(end).toBe(varintSize(value));
        expect(new ProtoReader(target, 0, end).varint()).toBe(value);
        expect(new ProtoReader(target, 0, end).u64()).toBe(value);
      }),
    );
  });

  it('keeps a UUID through all its forms', () => {
    fc.assert(
      fc.property(id, (one) => {
        const text = uuidText(one);
        expect(parseUuid(text).equals(one)).toBe(true);
        expect(parseUuid(text.toUpperCase()).equals(one)).toBe(true);
        expect(readUuidText(Buffer.from(text), 0, 36)?.equals(one)).toBe(true);
      }),
    );
    expect(readUuidText(Buffer.from('x'.repeat(36)), 0, 36)).toBeUndefined();
    expect(() => parseUuid('')).toThrow(/not a UUID/);
  });
});
