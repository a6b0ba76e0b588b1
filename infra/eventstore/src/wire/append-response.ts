import type { ExpectedRevision } from '../streams/event-store.js';
import { ProtoWriter, type U64 } from './protobuf.js';

const TYPE_PREFIX = 'type.googleapis.com/';

function position(value: number): ProtoWriter {
  return new ProtoWriter().varint(1, value).varint(2, value);
}

/** `BatchAppendResp` with a success. */
export function batchSuccess(correlation: Buffer, identifier: Buffer, revision: number, at: number): Buffer {
  const success = new ProtoWriter();
  if (revision < 0) success.empty(2);
  else success.varint(1, revision);
  success.message(3, position(at));
  return new ProtoWriter().bytes(1, correlation).message(3, success).bytes(4, identifier).finish();
}

/** `BatchAppendResp` with a `google.rpc.Status`, its detail packed in an Any. */
export function batchFailure(
  correlation: Buffer,
  identifier: Buffer | undefined,
  code: number,
  name: string,
  type: string,
  detail: Buffer,
): Buffer {
  const status = new ProtoWriter()
    .varint(1, code)
    .string(2, name)
    .message(3, new ProtoWriter().string(1, TYPE_PREFIX + type).bytes(2, detail));
  const response = new ProtoWriter().bytes(1, correlation).message(2, status);
  if (identifier !== undefined) response.bytes(4, identifier);
  return response.finish();
}

/** The `WrongExpectedVersion` of shared.proto. */
export function wrongExpectedVersionDetail(current: number, expected: ExpectedRevision): Buffer {
  const detail = new ProtoWriter();
  if (current < 0) detail.empty(2);
  else detail.varint(1, current);
  if (expected === 'any') detail.empty(4);
  else if (expected === 'stream_exists') detail.empty(5);
  else if (expected === 'no_stream') detail.empty(6);
  else detail.varint(3, expected);
  return detail.finish();
}

export function appendSuccess(revision: number, at: number | undefined): Buffer {
  const success = new ProtoWriter();
  if (revision < 0) success.empty(2);
  else success.varint(1, revision);
  if (at === undefined) success.empty(4);
  else success.message(3, position(at));
  return new ProtoWriter().message(1, success).finish();
}

const NO_STREAM_20_6_0: U64 = 18446744073709551615n;

/** `AppendResp.WrongExpectedVersion` fills the fields of today and those of 20.6.0. */
export function appendWrongExpectedVersion(current: number, expected: ExpectedRevision): Buffer {
  const wrong = new ProtoWriter();
  if (current < 0) wrong.empty(2).empty(7);
  else wrong.varint(1, current).varint(6, current);
  if (expected === 'any') wrong.empty(4).empty(9);
  else if (expected === 'stream_exists') wrong.empty(5).empty(10);
  else if (expected === 'no_stream') wrong.varint(3, NO_STREAM_20_6_0).empty(11);
  else wrong.varint(3, expected).varint(8, expected);
  return new ProtoWriter().message(2, wrong).finish();
}

/** `DeleteResp` and `TombstoneResp`. */
export function deleteSuccess(at: number | undefined): Buffer {
  if (at === undefined) return new ProtoWriter().empty(2).finish();
  return new ProtoWriter().message(1, position(at)).finish();
}

export function streamIdentifier(stream: string | Buffer): Buffer {
  const name = typeof stream === 'string' ? Buffer.from(stream, 'utf8') : stream;
  return new ProtoWriter().bytes(3, name).finish();
}
