import { createRequire } from 'node:module';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { envelopeBytes, envelopeOf, type StoredEvent, storedEvent } from './stored-event.js';
import { NO_EVENT, readAnswer } from './wire.js';

// What the client itself makes of an answer. It has no name outside of the package.
const { convertGrpcEvent } = createRequire(import.meta.url)(
  '@eventstore/db-client/dist/utils/convertGrpcEvent.js',
) as { convertGrpcEvent: (event: unknown) => { event: Parameters<typeof storedEvent>[0] } };

interface Given {
  readonly id: string;
  readonly stream: string;
  readonly type: string;
  readonly revision: bigint;
  readonly position: bigint;
  readonly created: bigint;
  readonly contentType: string;
  readonly data: string | Uint8Array;
  readonly metadata: string | Uint8Array;
}

const bytesOf = (given: string | Uint8Array) =>
  typeof given === 'string' ? new TextEncoder().encode(given) : given;

function answerWith(given: Given): InstanceType<typeof streams.ReadResp> {
  const id = new shared.UUID();
  id.setString(given.id);
  const stream = new shared.StreamIdentifier();
  stream.setStreamName(new TextEncoder().encode(given.stream));
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent();
  recorded.setId(id);
  recorded.setStreamIdentifier(stream);
  recorded.setStreamRevision(String(given.revision));
  recorded.setPreparePosition(String(given.position));
  recorded.setCommitPosition(String(given.position));
  recorded.getMetadataMap().set('type', given.type);
  recorded.getMetadataMap().set('created', String(given.created));
  recorded.getMetadataMap().set('content-type', given.contentType);
  recorded.setCustomMetadata(bytesOf(given.metadata));
  recorded.setData(bytesOf(given.data));
  const event = new streams.ReadResp.ReadEvent();
  event.setEvent(recorded);
  event.setCommitPosition(String(given.position));
  const answer = new streams.ReadResp();
  answer.setEvent(event);
  return answer;
}

const read = (answer: { serializeBinary(): Uint8Array }) => readAnswer(Buffer.from(answer.serializeBinary()));

/** Its values, whichever of them are made when somebody looks. */
function plain({
  id,
  type,
  stream,
  revision,
  position,
  data,
  metadata,
  storedAtMs,
}: StoredEvent): StoredEvent {
  const bytes = (value: unknown) => (value instanceof Uint8Array ? [...value] : value);
  return {
    ...{ id, type, stream, revision, position, storedAtMs },
    data: bytes(data),
    metadata: bytes(metadata),
  };
}

const ONE: Given = {
  id: '00000000-0000-4000-8000-000000000000',
  stream: 's',
  type: 't',
  revision: 1n,
  position: 2n,
  created: 0n,
  contentType: 'application/json',
  data: '{}',
  metadata: '',
};

const uint64 = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 300n), fc.bigInt(2n ** 48n, 2n ** 50n));
const json = fc.json({ maxDepth: 3 });
const given: fc.Arbitrary<Given> = fc.record({
  id: fc.uuid(),
  stream: fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }).filter((name) => name.isWellFormed()),
  type: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
  revision: uint64,
  position: uint64,
  created: fc.bigInt(10_000_000_000n, 40_000_000_000_000_000n),
  contentType: fc.constantFrom('application/json', 'application/octet-stream'),
  data: fc.oneof(json, json, fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 300 })),
  metadata: fc.oneof(json, fc.constant(''), fc.uint8Array({ minLength: 1, maxLength: 40 })),
});

describe('an answer of Streams.Read', () => {
  it('is read as the client reads it', () => {
    fc.assert(
      fc.property(given, (one) => {
        const answer = answerWith(one);
        const found = read(answer);
        if (found === NO_EVENT) throw new Error('an event is not seen');
        expect(plain(found)).toEqual(plain(storedEvent(convertGrpcEvent(answer.getEvent()).event)));
      }),
    );
  });

  it('is passed on as it would be written anew, or so that nobody takes it for something else', () => {
    const looksLikeObject = fc.string({ unit: 'grapheme' }).map((text) => `{${text}}`);
    const object = fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value, null, 1));
    const event = fc.tuple(
      given,
      fc.oneof(
        given.map(({ data }) => data),
        object,
        looksLikeObject,
      ),
      fc.oneof(object, looksLikeObject),
    );
    fc.assert(
      fc.property(event, ([one, data, metadata]) => {
        const found = read(answerWith({ ...one, data, metadata }));
        if (found === NO_EVENT) throw new Error('an event is not seen');
        const bytes = envelopeBytes(found).toString('utf8');
        const isReadable = [found.data, found.metadata].every(
          (part) => typeof part === 'object' && !(part instanceof Uint8Array),
        );
        if (found.raw === undefined || isReadable)
          expect(JSON.parse(bytes)).toEqual(JSON.parse(JSON.stringify(envelopeOf(found))));
        else expect(() => JSON.parse(bytes)).toThrow();
      }),
    );
  });

  it('is passed on under its own name, whatever its payload would slip in', () => {
    const data = '{"a":1},"stream":"signals-b","revision":"9","position":"9","id":"x","type":"y","x":{}';
    const found = read(answerWith({ ...ONE, data, metadata: '{}' }));
    if (found === NO_EVENT) throw new Error('an event is not seen');
    const { id, type, stream } = ONE;
    expect(JSON.parse(envelopeBytes(found).toString('utf8'))).toMatchObject({
      ...{ id, type, stream, revision: '1', position: '2' },
    });
  });

  it('that carries no event is told from one', () => {
    const caughtUp = new streams.ReadResp();
    caughtUp.setCaughtUp(new streams.ReadResp.CaughtUp());
    const confirmed = new streams.ReadResp();
    const confirmation = new streams.ReadResp.SubscriptionConfirmation();
    confirmation.setSubscriptionId('one');
    confirmed.setConfirmation(confirmation);
    const gone = new streams.ReadResp();
    gone.setEvent(new streams.ReadResp.ReadEvent());
    expect([caughtUp, confirmed, gone].map(read)).toEqual([NO_EVENT, NO_EVENT, NO_EVENT]);
  });

  it('passes over fields that it does not know, of every wire type', () => {
    const bytes = Buffer.from(answerWith(ONE).serializeBinary());
    // Fields 100 to 103: a varint, eight bytes, a text, four bytes.
    const unknown = [0xa0, 6, 0xff, 1, 0xa9, 6, 1, 2, 3, 4, 5, 6, 7, 8, 0xb2, 6, 1, 65, 0xbd, 6, 1, 2, 3, 4];
    expect(readAnswer(Buffer.concat([Buffer.from(unknown), bytes]))).toMatchObject({
      stream: 's',
      type: 't',
    });
  });

  it('that is cut off is refused, wherever it is cut', () => {
    const bytes = Buffer.from(answerWith({ ...ONE, data: '{"a":1}', metadata: '{}' }).serializeBinary());
    for (let length = 1; length < bytes.length; length++) {
      expect(() => readAnswer(bytes.subarray(0, length))).toThrow();
    }
  });
});
