import { HEADER_SIZE, type RecordView, varintSize, writeVarint } from '../storage/record.js';
import { ProtoWriter } from './protobuf.js';
import { writeUuidText } from './uuid.js';

const JSON_ENTRY = mapEntry('content-type', 'application/json');
const OCTET_ENTRY = mapEntry('content-type', 'application/octet-stream');
const TYPE_KEY = Buffer.from([0x0a, 4, ...Buffer.from('type'), 0x12]);
/** created: a map entry of 28 bytes, its value 17 digits. */
const CREATED_ENTRY = Buffer.from([0x32, 28, 0x0a, 7, ...Buffer.from('created'), 0x12, 17]);
/** 2^63 − 1, the revision of a tombstone. */
const TOMBSTONE_REVISION = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);

function mapEntry(key: string, value: string): Buffer {
  return new ProtoWriter().message(6, new ProtoWriter().string(1, key).string(2, value)).finish();
}

/** What a client asked for, as far as it changes the bytes of an event. */
export interface EventForm {
  readonly structuredUuid: boolean;
}

function structuredSize(id: Uint8Array, at: number): number {
  return 2 + wordVarintSize(id, at) + wordVarintSize(id, at + 8);
}

function wordVarintSize(id: Uint8Array, at: number): number {
  // The size of a 64-bit word as a varint: by its highest bit.
  for (let n = 0; n < 8; n++) {
    const byte = id[at + n] ?? 0;
    if (byte !== 0) {
      const bits = (8 - n) * 8 - (Math.clz32(byte) - 24);
      return Math.ceil(bits / 7);
    }
  }
  return 1;
}

function writeWordVarint(target: Buffer, offset: number, id: Buffer, at: number): number {
  let rest = id.readBigUInt64BE(at);
  let to = offset;
  while (rest > 0x7fn) {
    target[to++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  target[to++] = Number(rest);
  return to;
}

/** The size of a record as a `RecordedEvent`. */
export function recordedEventSize(record: RecordView, form: EventForm, at = record.position): number {
  const { buffer, offset } = record;
  const name = buffer.readUInt16LE(offset + 46);
  const type = buffer.readUInt16LE(offset + 48);
  const position = varintSize(at);
  const entry = 7 + varintSize(type) + type;
  const inner = 1 + varintSize(name) + name;
  const uuid = form.structuredUuid ? structuredSize(buffer, offset + 22) + 2 : 38;
  return (
    1 +
    varintSize(uuid) +
    uuid +
    1 +
    varintSize(inner) +
    inner +
    (record.isTombstone ? 10 : record.revision === 0 ? 0 : 1 + varintSize(record.revision)) +
    2 * (1 + position) +
    1 +
    varintSize(entry) +
    entry +
    CREATED_ENTRY.length +
    17 +
    (record.isJson ? JSON_ENTRY.length : OCTET_ENTRY.length) +
    (record.size - 4 - HEADER_SIZE - name - type)
  );
}

/** Writes a record as a `RecordedEvent` and returns the offset after it. */
export function writeRecordedEvent(
  target: Buffer,
  start: number,
  record: RecordView,
  form: EventForm,
  position = record.position,
): number {
  const { buffer, offset } = record;
  const name = buffer.readUInt16LE(offset + 46);
  const type = buffer.readUInt16LE(offset + 48);
  let at = start;
  // id
  target[at++] = 0x0a;
  if (form.structuredUuid) {
    const size = structuredSize(buffer, offset + 22);
    at = writeVarint(target, at, size + 2);
    target[at++] = 0x0a;
    target[at++] = size;
    target[at++] = 0x08;
    at = writeWordVarint(target, at, buffer, offset + 22);
    target[at++] = 0x10;
    at = writeWordVarint(target, at, buffer, offset + 30);
  } else {
    target[at++] = 38;
    target[at++] = 0x12;
    target[at++] = 36;
    writeUuidText(target, at, buffer, offset + 22);
    at += 36;
  }
  // stream identifier
  target[at++] = 0x12;
  at = writeVarint(target, at, 1 + varintSize(name) + name);
  target[at++] = 0x1a;
  at = writeVarint(target, at, name);
  buffer.copy(target, at, offset + HEADER_SIZE, offset + HEADER_SIZE + name);
  at += name;
  // revision and positions
  if (record.isTombstone) {
    target[at++] = 0x18;
    target.set(TOMBSTONE_REVISION, at);
    at += 9;
  } else if (record.revision !== 0) {
    target[at++] = 0x18;
    at = writeVarint(target, at, record.revision);
  }
  target[at++] = 0x20;
  at = writeVarint(target, at, position);
  target[at++] = 0x28;
  at = writeVarint(target, at, position);
  // metadata: type, created, content-type
  target[at++] = 0x32;
  at = writeVarint(target, at, 7 + varintSize(type) + type);
  target.set(TYPE_KEY, at);
  at += TYPE_KEY.length;
  at = writeVarint(target, at, type);
  const typeAt = offset + HEADER_SIZE + name;
  buffer.copy(target, at, typeAt, typeAt + type);
  at += type;
  target.set(CREATED_ENTRY, at);
  at += CREATED_ENTRY.length;
  writeTicks(target, at, record.created);
  at += 17;
  const content = record.isJson ? JSON_ENTRY : OCTET_ENTRY;
  target.set(content, at);
  at += content.length;
  // custom metadata and data, as they are stored
  const bodyEnd = offset + record.size - 4;
  buffer.copy(target, at, typeAt + type, bodyEnd);
  return at + bodyEnd - typeAt - type;
}

/** 17 digits: ticks of 100 ns since 1970. */
function writeTicks(target: Buffer, offset: number, micros: number): void {
  let high = Math.floor(micros / 1e8);
  let low = micros - high * 1e8;
  target[offset + 16] = 0x30;
  for (let at = offset + 15; at > offset + 7; at--) {
    const next = (low / 10) | 0;
    target[at] = 0x30 + low - next * 10;
    low = next;
  }
  for (let at = offset + 7; at >= offset; at--) {
    const next = (high / 10) | 0;
    target[at] = 0x30 + high - next * 10;
    high = next;
  }
}

/** What a `ReadEvent` says of its place in the log. */
export interface EventInContext {
  readonly event: RecordView | undefined;
  readonly link: RecordView | undefined;
}

const RETRY_COUNT = 5;
const NO_RETRY_COUNT = 6;

/**
 * Writes a `ReadResp` with an event (also the persistent `ReadResp`, which has the retry count besides).
 * The commit position is that of the record that was read: the link's, if there is one.
 */
export function encodeReadEvent(
  found: EventInContext,
  form: EventForm,
  retryCount?: number | 'none',
): Buffer {
  const { event, link } = found;
  const original = link ?? event;
  if (original === undefined) throw new Error('an event or a link is needed');
  const position = original.position;
  const persistent = retryCount !== undefined;
  // A persistent subscription gives the event that a link names the link's position.
  const eventPosition = persistent ? position : event?.position;
  const eventSize = event === undefined ? 0 : recordedEventSize(event, form, eventPosition);
  const linkSize = link === undefined ? 0 : recordedEventSize(link, form);
  let size = 1 + varintSize(position);
  if (event !== undefined) size += 1 + varintSize(eventSize) + eventSize;
  if (link !== undefined) size += 1 + varintSize(linkSize) + linkSize;
  if (persistent) size += retryCount === 'none' ? 2 : 1 + varintSize(retryCount);
  const target = Buffer.allocUnsafe(1 + varintSize(size) + size);
  target[0] = 0x0a;
  let at = writeVarint(target, 1, size);
  if (event !== undefined) {
    target[at++] = 0x0a;
    at = writeVarint(target, at, eventSize);
    at = writeRecordedEvent(target, at, event, form, eventPosition);
  }
  if (link !== undefined) {
    target[at++] = 0x12;
    at = writeVarint(target, at, linkSize);
    at = writeRecordedEvent(target, at, link, form);
  }
  target[at++] = 0x18;
  at = writeVarint(target, at, position);
  if (persistent) {
    if (retryCount === 'none') {
      target[at++] = (NO_RETRY_COUNT << 3) | 2;
      target[at++] = 0;
    } else {
      target[at++] = RETRY_COUNT << 3;
      at = writeVarint(target, at, retryCount);
    }
  }
  return target;
}
