import { NO_BYTES, type ProposedEvent } from '../storage/record.js';
import type { ExpectedRevision } from '../streams/event-store.js';
import { ProtoReader } from './protobuf.js';
import { decodeStreamIdentifier } from './read-request.js';
import { parseUuid, readUuidText } from './uuid.js';

/** A proposed event as it came, not yet checked. */
export interface RawProposal {
  /** Undefined when the id is missing or no UUID. */
  readonly id: Buffer | undefined;
  readonly type: string | undefined;
  readonly contentType: string | undefined;
  readonly metadata: Buffer;
  readonly data: Buffer;
}

const CONTENT_TYPE = 'content-type';

/** The same fields in `AppendReq.ProposedMessage` and `BatchAppendReq.ProposedMessage`. */
export function decodeProposal(reader: ProtoReader): RawProposal {
  let id: Buffer | undefined;
  let type: string | undefined;
  let contentType: string | undefined;
  let metadata: Buffer = NO_BYTES;
  let data: Buffer = NO_BYTES;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        id = decodeUuid(reader.message());
        break;
      case 2: {
        const entry = reader.message();
        let key = '';
        let value = '';
        while (entry.next()) {
          if (entry.field === 1) key = entry.string();
          else if (entry.field === 2) value = entry.string();
          else entry.skip();
        }
        if (key === 'type') type = value;
        else if (key === CONTENT_TYPE) contentType = value;
        break;
      }
      case 3:
        metadata = reader.bytes();
        break;
      case 4:
        data = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  return { id, type, contentType, metadata, data };
}

/** A `UUID` message as 16 bytes in printed order; undefined when it holds none. */
export function decodeUuid(reader: ProtoReader): Buffer | undefined {
  let id: Buffer | undefined;
  while (reader.next()) {
    if (reader.field === 2) {
      const bytes = reader.bytes();
      id = readUuidText(bytes, 0, bytes.length) ?? tryParse(bytes.toString('utf8'));
    } else if (reader.field === 1) {
      const structured = reader.message();
      id = Buffer.alloc(16);
      while (structured.next()) {
        if (structured.field === 1) id.writeBigUInt64BE(BigInt.asUintN(64, BigInt(structured.u64())), 0);
        else if (structured.field === 2) id.writeBigUInt64BE(BigInt.asUintN(64, BigInt(structured.u64())), 8);
        else structured.skip();
      }
    } else {
      reader.skip();
    }
  }
  return id;
}

function tryParse(text: string): Buffer | undefined {
  try {
    return parseUuid(text);
  } catch {
    return undefined;
  }
}

export interface AppendOptions {
  readonly stream: string | undefined;
  readonly expected: ExpectedRevision | undefined;
}

/** `AppendReq.Options`, `DeleteReq.Options` and `TombstoneReq.Options` are laid out alike. */
export function decodeAppendOptions(reader: ProtoReader): AppendOptions {
  let stream: string | undefined;
  let expected: ExpectedRevision | undefined;
  while (reader.next()) {
    if (reader.field === 1) {
      stream = decodeStreamIdentifier(reader.message());
    } else if (reader.field === 2) {
      expected = reader.u64();
    } else {
      if (reader.field === 3) expected = 'no_stream';
      else if (reader.field === 4) expected = 'any';
      else if (reader.field === 5) expected = 'stream_exists';
      reader.skip();
    }
  }
  return { stream, expected };
}

export interface BatchRequest {
  /** The `UUID` message that the answer repeats. */
  correlation: Buffer;
  correlationKey: string;
  options:
    | {
        readonly stream: string | undefined;
        /** The identifier as it came, for the answer. */
        readonly identifier: Buffer;
        readonly expected: ExpectedRevision | undefined;
        /** Milliseconds from now, if the client set a deadline. */
        readonly timeout: number | undefined;
      }
    | undefined;
  proposals: RawProposal[];
  final: boolean;
}

export function decodeBatchRequest(message: Buffer): BatchRequest {
  const reader = new ProtoReader(message);
  const request: BatchRequest = {
    correlation: NO_BYTES,
    correlationKey: '',
    options: undefined,
    proposals: [],
    final: false,
  };
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        request.correlation = reader.bytes();
        request.correlationKey = request.correlation.toString('latin1');
        break;
      case 2:
        request.options = decodeBatchOptions(reader.message());
        break;
      case 3:
        request.proposals.push(decodeProposal(reader.message()));
        break;
      case 4:
        request.final = reader.varint() !== 0;
        break;
      default:
        reader.skip();
    }
  }
  return request;
}

function decodeBatchOptions(reader: ProtoReader): NonNullable<BatchRequest['options']> {
  let stream: string | undefined;
  let identifier: Buffer = NO_BYTES;
  let expected: ExpectedRevision | undefined;
  let timeout: number | undefined;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        identifier = reader.bytes();
        stream = decodeStreamIdentifier(new ProtoReader(identifier));
        break;
      case 2:
        expected = reader.u64();
        break;
      case 6:
      case 7: {
        const time = reader.message();
        const absolute = reader.field === 6;
        let seconds = 0;
        let nanos = 0;
        while (time.next()) {
          if (time.field === 1) seconds = Number(BigInt.asIntN(64, BigInt(time.u64())));
          else if (time.field === 2) nanos = Number(BigInt.asIntN(32, BigInt(time.u64())));
          else time.skip();
        }
        const millis = seconds * 1000 + nanos / 1e6;
        timeout = absolute ? millis - Date.now() : millis;
        break;
      }
      default:
        if (reader.field === 3) expected = 'no_stream';
        else if (reader.field === 4) expected = 'any';
        else if (reader.field === 5) expected = 'stream_exists';
        reader.skip();
    }
  }
  return { stream, identifier, expected, timeout };
}

export function toProposedEvent(raw: RawProposal, id: Buffer, type: string): ProposedEvent {
  return {
    id,
    type,
    json: raw.contentType === 'application/json',
    metadata: raw.metadata,
    data: raw.data,
  };
}
