import { varintSize, writeVarint } from '../storage/record.js';

/** A whole number as protobuf's uint64 carries it: a number as long as that is exact. */
export type U64 = number | bigint;

/** Walks the fields of a protobuf message without building objects. */
export class ProtoReader {
  field = 0;
  wire = 0;

  constructor(
    readonly buffer: Buffer,
    public at = 0,
    readonly end = buffer.length,
  ) {}

  /** Moves to the next field; false at the end. The caller reads or skips its value. */
  next(): boolean {
    if (this.at >= this.end) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wire = tag & 7;
    return true;
  }

  /** A varint, rounded when it is above 2^53. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let n = 0; n < 10; n++) {
      const byte = this.buffer[this.at++];
      if (byte === undefined || this.at > this.end) throw new Error('a protobuf message is cut off');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new Error('a protobuf varint is too long');
  }

  u64(): U64 {
    const start = this.at;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    let exact = 0n;
    for (let at = start, shift = 0n; at < this.at; at++, shift += 7n) {
      exact |= BigInt((this.buffer[at] ?? 0) & 0x7f) << shift;
    }
    return BigInt.asUintN(64, exact);
  }

  /** A field of bytes, shared with the message. */
  bytes(): Buffer {
    const length = this.varint();
    const start = this.at;
    this.at += length;
    if (this.at > this.end) throw new Error('a protobuf message is cut off');
    return this.buffer.subarray(start, this.at);
  }

  string(): string {
    const length = this.varint();
    const start = this.at;
    this.at += length;
    if (this.at > this.end) throw new Error('a protobuf message is cut off');
    return this.buffer.toString('utf8', start, this.at);
  }

  message(): ProtoReader {
    const length = this.varint();
    const start = this.at;
    this.at += length;
    if (this.at > this.end) throw new Error('a protobuf message is cut off');
    return new ProtoReader(this.buffer, start, this.at);
  }

  skip(): void {
    if (this.wire === 0) this.varint();
    else if (this.wire === 1) this.at += 8;
    else if (this.wire === 2) this.bytes();
    else if (this.wire === 5) this.at += 4;
    else throw new Error(`a protobuf field has wire type ${this.wire}`);
    if (this.at > this.end) throw new Error('a protobuf message is cut off');
  }
}

type Part = Buffer | readonly [tag: number, value: U64];

/** Builds small messages; the large and frequent ones are written by hand. */
export class ProtoWriter {
  private readonly parts: Part[] = [];
  private size = 0;

  varint(field: number, value: U64): this {
    this.size += varintSize(field << 3) + u64Size(value);
    this.parts.push([field << 3, value]);
    return this;
  }

  bytes(field: number, value: Buffer): this {
    this.size += varintSize(field << 3) + varintSize(value.length) + value.length;
    this.parts.push([(field << 3) | 2, value.length], value);
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'));
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.finish());
  }

  empty(field: number): this {
    return this.bytes(field, Buffer.alloc(0));
  }

  finish(): Buffer {
    const target = Buffer.allocUnsafe(this.size);
    let at = 0;
    for (const part of this.parts) {
      if (Buffer.isBuffer(part)) {
        target.set(part, at);
        at += part.length;
      } else {
        at = writeVarint(target, at, part[0]);
        at = writeU64(target, at, part[1]);
      }
    }
    return target;
  }
}

function u64Size(value: U64): number {
  if (typeof value === 'number') return varintSize(value);
  let size = 1;
  for (let rest = BigInt.asUintN(64, value) >> 7n; rest > 0n; rest >>= 7n) size++;
  return size;
}

function writeU64(target: Buffer, offset: number, value: U64): number {
  if (typeof value === 'number') return writeVarint(target, offset, value);
  let rest = BigInt.asUintN(64, value);
  let at = offset;
  while (rest > 0x7fn) {
    target[at++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  target[at++] = Number(rest);
  return at;
}
