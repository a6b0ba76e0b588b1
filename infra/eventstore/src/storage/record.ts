import { crc32 } from 'node:zlib';

/**
 * A record on disk, little-endian (format version 1):
 *
 *      0  u32  length of the record, this field and the closing one included
 *      4  u32  CRC-32 of the bytes from 8 to the closing length
 *      8  u48  position in the log
 *     14  u48  revision in its stream
 *     20  u16  flags
 *     22  16   event id, in the order in which it is printed
 *     38  u64  created, microseconds since 1970
 *     46  u16  length of the stream name
 *     48  u16  length of the event type
 *     50       stream name, event type (UTF-8)
 *              custom metadata and data, as the protobuf fields 7 and 8 of `RecordedEvent`
 *   last  u32  length again, to walk backwards
 *
 * Metadata and data, the bulk, are the bytes that go over the wire; the fields before them are smaller here than
 * there (an id is 16 bytes, not 38) and are written out anew for each reader.
 */
export const HEADER_SIZE = 50;
export const TRAILER_SIZE = 4;
export const MIN_RECORD_SIZE = HEADER_SIZE + TRAILER_SIZE;
/** Above any record that the size limit of an append lets through. */
export const MAX_RECORD_SIZE = 64 * 1024 * 1024;

export const Flag = {
  json: 1,
  /** The record closes its stream for good. */
  tombstone: 2,
  /** The last record of its append: an append without it was cut by a crash and is dropped whole. */
  last: 4,
  /** An append without events: it has a position and nothing else. */
  empty: 8,
  /**
   * What a scavenge leaves of a stream's last record when nobody is to see it: its revision, so that numbering goes on.
   * Id, type, metadata and data are gone.
   */
  hollow: 16,
} as const;

const INVISIBLE = Flag.empty | Flag.hollow;

export const NO_BYTES = Buffer.alloc(0);

/** An event as a client proposes it. */
export interface ProposedEvent {
  /** 16 bytes. */
  readonly id: Buffer;
  readonly type: string;
  readonly json: boolean;
  readonly metadata: Uint8Array;
  readonly data: Uint8Array;
}

/** Bytes that an event takes in memory until it is written, about. */
export const memoryOf = (event: ProposedEvent): number => event.data.length + event.metadata.length + 256;

export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  let size = 5;
  for (let rest = Math.floor(value / 0x800000000); rest > 0; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes a protobuf varint and returns the offset after it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let rest = value;
  let at = offset;
  while (rest > 0x7fffffff) {
    target[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest > 0x7f) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

export interface RecordFields {
  readonly position: number;
  readonly revision: number;
  readonly flags: number;
  readonly id: Uint8Array;
  /** Microseconds since 1970. */
  readonly created: number;
  readonly stream: Buffer;
  readonly type: Buffer;
  readonly metadata: Uint8Array;
  readonly data: Uint8Array;
}

function bytesFieldSize(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : 1 + varintSize(bytes.length) + bytes.length;
}

export function recordSize(stream: number, type: number, metadata: Uint8Array, data: Uint8Array): number {
  return MIN_RECORD_SIZE + stream + type + bytesFieldSize(metadata) + bytesFieldSize(data);
}

/** Writes a record of `size` bytes (from `recordSize`) at `offset`. */
export function writeRecord(target: Buffer, offset: number, size: number, fields: RecordFields): void {
  target.writeUInt32LE(size, offset);
  target.writeUIntLE(fields.position, offset + 8, 6);
  target.writeUIntLE(fields.revision, offset + 14, 6);
  target.writeUInt16LE(fields.flags, offset + 20);
  target.set(fields.id, offset + 22);
  target.writeUInt32LE(fields.created % 0x100000000, offset + 38);
  target.writeUInt32LE(Math.floor(fields.created / 0x100000000), offset + 42);
  target.writeUInt16LE(fields.stream.length, offset + 46);
  target.writeUInt16LE(fields.type.length, offset + 48);
  let at = offset + HEADER_SIZE;
  target.set(fields.stream, at);
  at += fields.stream.length;
  target.set(fields.type, at);
  at += fields.type.length;
  if (fields.metadata.length > 0) {
    target[at++] = 0x3a;
    at = writeVarint(target, at, fields.metadata.length);
    target.set(fields.metadata, at);
    at += fields.metadata.length;
  }
  if (fields.data.length > 0) {
    target[at++] = 0x42;
    at = writeVarint(target, at, fields.data.length);
    target.set(fields.data, at);
    at += fields.data.length;
  }
  target.writeUInt32LE(size, at);
  target.writeUInt32LE(crc32(target.subarray(offset + 8, at)), offset + 4);
}

/** Why the bytes at some place are not a record. */
export type RecordFault =
  | 'beyond the end'
  | 'impossible length'
  | 'checksum'
  | 'wrong position'
  | 'length at the end';

/**
 * Checks the record at `offset` of `buffer`.
 * @returns its size, or why it is none. `expectedPosition` is its place in the log, when known.
 */
export function checkRecord(buffer: Buffer, offset: number, expectedPosition?: number): number | RecordFault {
  if (offset + MIN_RECORD_SIZE > buffer.length) return 'beyond the end';
  const size = buffer.readUInt32LE(offset);
  if (size < MIN_RECORD_SIZE || size > MAX_RECORD_SIZE) return 'impossible length';
  if (offset + size > buffer.length) return 'beyond the end';
  if (buffer.readUInt32LE(offset + size - 4) !== size) return 'length at the end';
  if (crc32(buffer.subarray(offset + 8, offset + size - 4)) !== buffer.readUInt32LE(offset + 4))
    return 'checksum';
  if (HEADER_SIZE + buffer.readUInt16LE(offset + 46) + buffer.readUInt16LE(offset + 48) + 4 > size) {
    return 'impossible length';
  }
  if (expectedPosition !== undefined && buffer.readUIntLE(offset + 8, 6) !== expectedPosition) {
    return 'wrong position';
  }
  return size;
}

/** A record in memory, its fields read on demand. */
export class RecordView {
  private streamName: string | undefined;
  private eventType: string | undefined;

  constructor(
    readonly buffer: Buffer,
    readonly offset: number,
    readonly size: number,
  ) {}

  get position(): number {
    return this.buffer.readUIntLE(this.offset + 8, 6);
  }

  get revision(): number {
    return this.buffer.readUIntLE(this.offset + 14, 6);
  }

  get flags(): number {
    return this.buffer.readUInt16LE(this.offset + 20);
  }

  get isJson(): boolean {
    return (this.flags & Flag.json) !== 0;
  }

  get isTombstone(): boolean {
    return (this.flags & Flag.tombstone) !== 0;
  }

  get isEmpty(): boolean {
    return (this.flags & Flag.empty) !== 0;
  }

  /** Whether readers are never shown it. */
  get isInvisible(): boolean {
    return (this.flags & INVISIBLE) !== 0;
  }

  get id(): Buffer {
    return this.buffer.subarray(this.offset + 22, this.offset + 38);
  }

  /** Microseconds since 1970. */
  get created(): number {
    return (
      this.buffer.readUInt32LE(this.offset + 42) * 0x100000000 + this.buffer.readUInt32LE(this.offset + 38)
    );
  }

  get streamLength(): number {
    return this.buffer.readUInt16LE(this.offset + 46);
  }

  get typeLength(): number {
    return this.buffer.readUInt16LE(this.offset + 48);
  }

  get stream(): string {
    if (this.streamName === undefined) {
      const start = this.offset + HEADER_SIZE;
      this.streamName = this.buffer.toString('utf8', start, start + this.streamLength);
    }
    return this.streamName;
  }

  get type(): string {
    if (this.eventType === undefined) {
      const start = this.offset + HEADER_SIZE + this.streamLength;
      this.eventType = this.buffer.toString('utf8', start, start + this.typeLength);
    }
    return this.eventType;
  }

  /** Metadata and data as protobuf fields. */
  get bodyStart(): number {
    return this.offset + HEADER_SIZE + this.streamLength + this.typeLength;
  }

  get bodyEnd(): number {
    return this.offset + this.size - TRAILER_SIZE;
  }

  get metadata(): Buffer {
    return this.field(0x3a);
  }

  get data(): Buffer {
    return this.field(0x42);
  }

  private field(tag: number): Buffer {
    let at = this.bodyStart;
    const end = this.bodyEnd;
    while (at < end) {
      const found = this.buffer[at++];
      let length = 0;
      let scale = 1;
      for (;;) {
        const byte = this.buffer[at++] ?? 0;
        length += (byte & 0x7f) * scale;
        if (byte < 0x80) break;
        scale *= 128;
      }
      if (found === tag) return this.buffer.subarray(at, at + length);
      at += length;
    }
    return NO_BYTES;
  }

  /** A copy that does not keep the buffer it was read from alive. */
  detach(): RecordView {
    return new RecordView(
      Buffer.from(this.buffer.subarray(this.offset, this.offset + this.size)),
      0,
      this.size,
    );
  }
}
