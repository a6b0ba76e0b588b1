import type { RawJson, StoredEvent } from './stored-event.js';

// Reading the store from end to end is what relay, rebuild and verify do, and three quarters of that was the client's
// decoding: it makes an object of every field of every message and parses payloads that are only passed on. So what
// Streams.Read answers is read here, by the field numbers of EventStoreDB's streams.proto. Requests, connections and
// credentials stay the client's, and `wire.unit.spec.ts` holds this against what the client itself makes of the bytes.

const READ_RESP = { event: 1 } as const;
const READ_EVENT = { event: 1 } as const;
const RECORDED_EVENT = {
  id: 1,
  streamIdentifier: 2,
  streamRevision: 3,
  commitPosition: 5,
  metadata: 6,
  customMetadata: 7,
  data: 8,
} as const;
const UUID = { string: 2 } as const;
const STREAM_IDENTIFIER = { streamName: 3 } as const;
const MAP_ENTRY = { key: 1, value: 2 } as const;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** An answer that carries no event: a confirmation, a checkpoint, "caught up", or a link whose event is gone. */
export const NO_EVENT = Symbol('no event');

/**
 * The event that an answer of Streams.Read carries.
 * @throws Error where the bytes are no such answer
 */
export function readAnswer(bytes: Buffer): StoredEvent | typeof NO_EVENT {
  const answer = new Fields(bytes, 0, bytes.length);
  while (answer.next()) {
    if (answer.field !== READ_RESP.event || answer.wire !== BYTES) continue;
    const event = answer.message();
    while (event.next()) {
      if (event.field === READ_EVENT.event && event.wire === BYTES) return recordedEvent(event.message());
    }
  }
  return NO_EVENT;
}

function recordedEvent(fields: Fields): StoredEvent {
  const event = new WireEvent();
  while (fields.next()) {
    switch (fields.field) {
      case RECORDED_EVENT.id:
        event.id = fields.message().text(UUID.string);
        break;
      case RECORDED_EVENT.streamIdentifier:
        event.stream = fields.message().text(STREAM_IDENTIFIER.streamName);
        break;
      case RECORDED_EVENT.streamRevision:
        event.revision = fields.uint64();
        break;
      case RECORDED_EVENT.commitPosition:
        event.position = fields.uint64();
        break;
      case RECORDED_EVENT.metadata:
        about(event, fields.message());
        break;
      case RECORDED_EVENT.customMetadata:
        event.metadataBytes = fields.bytes();
        break;
      case RECORDED_EVENT.data:
        event.dataBytes = fields.bytes();
        break;
    }
  }
  if (event.stream === '') throw new Error('an event without a stream');
  return event;
}

/** What the store says of an event by name. */
function about(event: WireEvent, entry: Fields): void {
  let [key, value] = ['', ''];
  while (entry.next()) {
    if (entry.field === MAP_ENTRY.key) key = entry.string();
    else if (entry.field === MAP_ENTRY.value) value = entry.string();
  }
  if (key === 'type') event.type = value;
  // 100 nanoseconds since 1970: more digits than a number holds, and the last four are no milliseconds.
  else if (key === 'created') event.storedAtMs = Number(value.slice(0, -4));
  else if (key === 'content-type') event.isJson = value === 'application/json';
}

/** An event out of the bytes of its answer. Payload and metadata are parsed when somebody looks at them. */
class WireEvent implements StoredEvent {
  id = '';
  type = '';
  stream = '';
  revision = 0n;
  position = 0n;
  storedAtMs = 0;
  isJson = false;
  dataBytes: Buffer = NOTHING;
  metadataBytes: Buffer = NOTHING;
  #data: unknown;
  #metadata: unknown;

  get data(): unknown {
    this.#data ??= this.isJson ? parsed(this.dataBytes, textOf) : this.dataBytes;
    return this.#data;
  }

  get raw(): RawJson | undefined {
    const { isJson, dataBytes: data, metadataBytes: metadata } = this;
    return isJson && isObject(data) && isObject(metadata) ? { data, metadata } : undefined;
  }

  get metadata(): unknown {
    if (this.metadataBytes.length > 0) this.#metadata ??= parsed(this.metadataBytes, (bytes) => bytes);
    return this.#metadata;
  }
}

const NOTHING = Buffer.alloc(0);

const [OPENED, CLOSED] = ['{', '}'].map((brace) => brace.charCodeAt(0));

/** Whether bytes begin and end as an object of JSON does. */
const isObject = (bytes: Buffer): boolean => bytes[0] === OPENED && bytes[bytes.length - 1] === CLOSED;

const textOf = (bytes: Buffer): string => bytes.toString('utf8');

function parsed(bytes: Buffer, otherwise: (bytes: Buffer) => unknown): unknown {
  try {
    return JSON.parse(textOf(bytes));
  } catch {
    return otherwise(bytes);
  }
}

/** The fields of a message in the wire format of protobuf, one after the other. */
class Fields {
  field = 0;
  wire = VARINT;
  /** Of the field's value where it has a length, or of its eight bytes at most. */
  #from: number;
  #to: number;

  constructor(
    private readonly buffer: Buffer,
    from: number,
    private readonly end: number,
  ) {
    this.#from = from;
    this.#to = from;
  }

  /** Goes to the next field; false at the end. */
  next(): boolean {
    this.#from = this.#to;
    if (this.#from >= this.end) return false;
    const tag = this.#small();
    this.field = tag >>> 3;
    this.wire = tag & 7;
    switch (this.wire) {
      case VARINT:
        this.#to = this.#from;
        while ((this.#byte(this.#to++) & 0x80) !== 0);
        break;
      case BYTES: {
        const length = this.#small();
        this.#to = this.#from + length;
        break;
      }
      case FIXED64:
        this.#to = this.#from + 8;
        break;
      case FIXED32:
        this.#to = this.#from + 4;
        break;
      default:
        throw new RangeError(`wire type ${this.wire} at byte ${this.#from}`);
    }
    if (this.#to > this.end) throw new RangeError(`a field ends behind byte ${this.end}`);
    return true;
  }

  /** The value as a message of its own. */
  message(): Fields {
    return new Fields(this.buffer, this.#from, this.#to);
  }

  bytes(): Buffer {
    return this.buffer.subarray(this.#from, this.#to);
  }

  string(): string {
    return this.buffer.toString('utf8', this.#from, this.#to);
  }

  /** The text in one field of the rest; empty where it is not there. */
  text(field: number): string {
    while (this.next()) if (this.field === field && this.wire === BYTES) return this.string();
    return '';
  }

  uint64(): bigint {
    let [low, shift] = [0, 1];
    let at = this.#from;
    // Seven bytes are 49 bits, which a number holds exactly.
    for (; at < this.#to && at < this.#from + 7; at++) {
      low += (this.#byte(at) & 0x7f) * shift;
      shift *= 128;
    }
    let value = BigInt(low);
    for (let bits = 49n; at < this.#to; at++, bits += 7n) value |= BigInt(this.#byte(at) & 0x7f) << bits;
    return BigInt.asUintN(64, value);
  }

  /** A varint of at most 32 bits at the place where it stands: a tag, or a length. */
  #small(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte(this.#from++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError(`a varint is too long at byte ${this.#from}`);
  }

  #byte(at: number): number {
    const byte = this.buffer[at];
    if (byte === undefined || at >= this.end) throw new RangeError(`it ends at byte ${at}`);
    return byte;
  }
}
