import { hash } from 'node:crypto';
import { endianness } from 'node:os';
import { crc32 } from 'node:zlib';
import type { FileHandle } from './files.js';

/** What is known of one stream inside one segment. Revisions are contiguous in it unless a scavenge took some. */
export interface StreamExtent {
  readonly first: number;
  readonly last: number;
  readonly tombstoned: boolean;
  readonly count: number;
  /** Revision and log position of the n-th record. */
  revisionAt(n: number): number;
  positionAt(n: number): number;
}

/** The part of a stream that lies in a segment which is still in memory. */
export class OpenExtent implements StreamExtent {
  readonly offsets: number[] = [];
  tombstoned = false;
  last = -1;
  /** Only where a scavenge left gaps; otherwise revisions follow from `first`. */
  revisions: number[] | undefined;

  constructor(
    private readonly base: number,
    readonly first: number,
  ) {}

  get count(): number {
    return this.offsets.length;
  }

  add(revision: number, position: number): void {
    if (this.revisions === undefined && revision !== this.first + this.offsets.length) {
      this.revisions = this.offsets.map((_, n) => this.first + n);
    }
    this.revisions?.push(revision);
    this.offsets.push(position - this.base);
    this.last = revision;
  }

  revisionAt(n: number): number {
    return this.revisions?.[n] ?? this.first + n;
  }

  positionAt(n: number): number {
    return this.base + (this.offsets[n] ?? 0);
  }
}

/** The index of a segment that is being written: streams, and every record in log order with its id's digest. */
export class OpenIndex {
  readonly streams = new Map<string, OpenExtent>();
  offsets = new Uint32Array(1024);
  digests = new Uint32Array(2048);
  count = 0;

  constructor(readonly base: number) {}

  add(
    stream: string,
    revision: number,
    position: number,
    tombstone: boolean,
    low: number,
    high: number,
  ): void {
    let extent = this.streams.get(stream);
    if (extent === undefined) {
      extent = new OpenExtent(this.base, tombstone ? 0 : revision);
      this.streams.set(stream, extent);
    }
    if (tombstone) extent.tombstoned = true;
    else extent.add(revision, position);
    this.addRecord(position, low, high);
  }

  addRecord(position: number, low: number, high: number): void {
    if (this.count === this.offsets.length) {
      const offsets = new Uint32Array(this.count * 2);
      offsets.set(this.offsets);
      this.offsets = offsets;
      const digests = new Uint32Array(this.count * 4);
      digests.set(this.digests);
      this.digests = digests;
    }
    this.offsets[this.count] = position - this.base;
    this.digests[this.count * 2] = low;
    this.digests[this.count * 2 + 1] = high;
    this.count++;
  }
}

/** http://www.isthe.com/chongo/tech/comp/fnv/: FNV-1a, 32 bits, over part of a buffer. */
export function nameHash(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash >>> 0;
}

/** Two words that stand for an event id in one stream: the same id in another stream has others. */
export function digestLow(id: Uint8Array, offset: number, stream: number): number {
  return (word(id, offset) ^ word(id, offset + 8) ^ stream) >>> 0;
}

export function digestHigh(id: Uint8Array, offset: number, stream: number): number {
  return (word(id, offset + 4) ^ word(id, offset + 12) ^ Math.imul(stream, 0x9e3779b1)) >>> 0;
}

function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)) >>>
    0
  );
}

/** The first 12 bytes of SHA-256: names are told apart by it in the index. */
export function streamKey(name: string): Buffer {
  return hash('sha256', name, 'buffer').subarray(0, KEY_SIZE);
}

/** The first number below `count` for which `reached` holds, or `count`; it holds from some number on. */
export function lowerBound(count: number, reached: (n: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (reached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

const IS_BIG_ENDIAN = endianness() === 'BE';

/** Streams whose entries are read together. */
const BLOCK = 64;
const MAGIC = 'OOIX';
const VERSION = 1;
const HEADER_SIZE = 64;
const KEY_SIZE = 12;
/** key 12, first revision u48, count u32 (top bit: tombstoned, next: explicit revisions), postings start u32 */
const ENTRY_SIZE = 26;
const TOMBSTONED = 0x80000000;
const SPARSE = 0x40000000;
const BLOOM_BITS_PER_STREAM = 12;
const BLOOM_PROBES = 4;

/**
 * The index of a sealed segment, in a file beside it:
 * a 64-byte header; the streams' directory, sorted by key; postings (u32 offsets, for sparse streams followed by as
 * many u48 revisions); the records in log order (u32 logical offset, u32 place in the file, 8 bytes of id digest);
 * a Bloom filter over the stream keys. It holds nothing that the segment does not, and is rebuilt from it.
 */
export async function encodeIndex(
  index: OpenIndex,
  end: number,
  /** Where the n-th record lies in the file, when that is not its logical offset. */
  placeOf?: (n: number) => number,
): Promise<Buffer> {
  const extents: OpenExtent[] = [];
  const keys = Buffer.allocUnsafe(index.streams.size * KEY_SIZE);
  let postings = 0;
  for (const [name, extent] of index.streams) {
    streamKey(name).copy(keys, extents.length * KEY_SIZE);
    extents.push(extent);
    postings += extent.count * (extent.revisions ? 10 : 4);
    if (extents.length % SLICE === 0) await breathe();
  }
  const order = await sortedByKey(keys, extents.length);
  const postingsAt = HEADER_SIZE + extents.length * ENTRY_SIZE;
  const recordsAt = postingsAt + postings;
  const bloomAt = recordsAt + index.count * 16;
  const bloomSize = Math.max(8, Math.ceil((extents.length * BLOOM_BITS_PER_STREAM) / 8));
  const file = Buffer.alloc(bloomAt + bloomSize);
  file.write(MAGIC, 0, 'latin1');
  file.writeUInt32LE(VERSION, 4);
  file.writeUIntLE(index.base, 8, 6);
  file.writeUIntLE(end, 14, 6);
  file.writeUInt32LE(extents.length, 20);
  file.writeUInt32LE(index.count, 24);
  file.writeUInt32LE(postings, 28);
  file.writeUInt32LE(bloomSize, 32);
  let at = HEADER_SIZE;
  let posting = 0;
  const bloom = file.subarray(bloomAt);
  for (const [n, stream] of order.entries()) {
    const extent = extents[stream];
    if (extent === undefined) continue;
    const key = keys.subarray(stream * KEY_SIZE, (stream + 1) * KEY_SIZE);
    file.set(key, at);
    file.writeUIntLE(extent.first, at + 12, 6);
    const flags = (extent.tombstoned ? TOMBSTONED : 0) + (extent.revisions ? SPARSE : 0);
    file.writeUInt32LE(extent.count + flags, at + 18);
    file.writeUInt32LE(posting, at + 22);
    at += ENTRY_SIZE;
    for (const offset of extent.offsets) {
      file.writeUInt32LE(offset, postingsAt + posting);
      posting += 4;
    }
    for (const revision of extent.revisions ?? []) {
      file.writeUIntLE(revision, postingsAt + posting, 6);
      posting += 6;
    }
    addToBloom(bloom, key);
    if (n % SLICE === SLICE - 1) await breathe();
  }
  at = recordsAt;
  for (let n = 0; n < index.count; n++) {
    const offset = index.offsets[n] ?? 0;
    file.writeUInt32LE(offset, at);
    file.writeUInt32LE(placeOf === undefined ? offset : placeOf(n), at + 4);
    file.writeUInt32LE(index.digests[n * 2] ?? 0, at + 8);
    file.writeUInt32LE(index.digests[n * 2 + 1] ?? 0, at + 12);
    at += 16;
    if (n % (SLICE * 8) === SLICE * 8 - 1) await breathe();
  }
  file.writeUInt32LE(crc32(file.subarray(HEADER_SIZE, bloomAt)), 36);
  file.writeUInt32LE(crc32(bloom), 40);
  file.writeUInt32LE(crc32(file.subarray(0, 60)), 60);
  return file;
}

/** An index is made while the server works: after this many streams it lets others run. */
const SLICE = 1024;

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The numbers of the keys in the order of the keys, which are uniform: a counting sort on two bytes, and a little more. */
async function sortedByKey(keys: Buffer, count: number): Promise<Uint32Array> {
  const starts = new Uint32Array(65537);
  for (let n = 0; n < count; n++) {
    const bucket = keys.readUInt16BE(n * KEY_SIZE) + 1;
    starts[bucket] = (starts[bucket] ?? 0) + 1;
  }
  for (let bucket = 1; bucket < starts.length; bucket++) {
    starts[bucket] = (starts[bucket] ?? 0) + (starts[bucket - 1] ?? 0);
  }
  const order = new Uint32Array(count);
  const next = starts.slice();
  for (let n = 0; n < count; n++) {
    const bucket = keys.readUInt16BE(n * KEY_SIZE);
    const place = next[bucket] ?? 0;
    order[place] = n;
    next[bucket] = place + 1;
  }
  await breathe();
  for (let bucket = 0; bucket < 65536; bucket++) {
    const from = starts[bucket] ?? 0;
    const to = starts[bucket + 1] ?? 0;
    if (to - from > 1) {
      order
        .subarray(from, to)
        .sort((a, b) =>
          keys.compare(keys, b * KEY_SIZE, (b + 1) * KEY_SIZE, a * KEY_SIZE, (a + 1) * KEY_SIZE),
        );
    }
    if (bucket % SLICE === SLICE - 1) await breathe();
  }
  return order;
}

function probe(key: Buffer, n: number, bits: number): number {
  return (key.readUInt32LE(0) + n * ((key.readUInt32LE(4) | 1) >>> 0)) % bits;
}

function addToBloom(bloom: Buffer, key: Buffer): void {
  const bits = bloom.length * 8;
  for (let n = 0; n < BLOOM_PROBES; n++) {
    const bit = probe(key, n, bits);
    bloom[bit >>> 3] = (bloom[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }
}

/** An index file, opened. Its directory, postings and records are read on demand; the Bloom filter stays in memory. */
export class SealedIndex {
  private readonly bloom: Buffer;
  private readonly window: IndexWindow;
  private readonly postingsAt: number;
  private readonly recordsAt: number;
  private readonly bloomAt: number;
  readonly base: number;
  readonly end: number;
  readonly streamCount: number;
  readonly recordCount: number;

  private constructor(
    private readonly handle: FileHandle,
    private readonly header: Buffer,
  ) {
    this.window = new IndexWindow(handle);
    this.base = header.readUIntLE(8, 6);
    this.end = header.readUIntLE(14, 6);
    this.streamCount = header.readUInt32LE(20);
    this.recordCount = header.readUInt32LE(24);
    this.postingsAt = HEADER_SIZE + this.streamCount * ENTRY_SIZE;
    this.recordsAt = this.postingsAt + header.readUInt32LE(28);
    this.bloomAt = this.recordsAt + this.recordCount * 16;
    this.bloom = Buffer.alloc(header.readUInt32LE(32));
    handle.read(this.bloom, this.bloomAt);
  }

  /** Opens an index, or says why it has to be rebuilt. */
  static open(handle: FileHandle, base: number, end: number): SealedIndex | string {
    const header = Buffer.alloc(HEADER_SIZE);
    if (handle.read(header, 0) < HEADER_SIZE) return 'too short';
    if (header.toString('latin1', 0, 4) !== MAGIC) return 'not an index';
    if (crc32(header.subarray(0, 60)) !== header.readUInt32LE(60)) return 'header damaged';
    if (header.readUInt32LE(4) !== VERSION) return 'of another version';
    if (header.readUIntLE(8, 6) !== base || header.readUIntLE(14, 6) !== end) return 'of another segment';
    const index = new SealedIndex(handle, header);
    if (handle.size() !== index.bloomAt + index.bloom.length) return 'of the wrong length';
    if (crc32(index.bloom) !== header.readUInt32LE(40)) return 'filter damaged';
    return index;
  }

  /** Whether the whole file is as it was written. */
  verify(): boolean {
    let sum = 0;
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (let at = HEADER_SIZE; at < this.bloomAt; ) {
      const read = this.handle.read(buffer.subarray(0, Math.min(buffer.length, this.bloomAt - at)), at);
      if (read === 0) return false;
      sum = crc32(buffer.subarray(0, read), sum);
      at += read;
    }
    return sum === this.header.readUInt32LE(36);
  }

  mightContain(key: Buffer): boolean {
    const bits = this.bloom.length * 8;
    for (let n = 0; n < BLOOM_PROBES; n++) {
      const bit = probe(key, n, bits);
      if (((this.bloom[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }

  find(key: Buffer): StreamExtent | undefined {
    if (this.streamCount === 0 || !this.mightContain(key)) return undefined;
    const fences = this.fences ?? this.readFences();
    const wanted = key.readUInt32BE(0);
    const block = Buffer.allocUnsafe(BLOCK * ENTRY_SIZE);
    // The last block that begins before the key, and those after it that begin with the same four bytes.
    let n = Math.max(0, lowerBound(fences.length, (n) => (fences[n] ?? 0) >= wanted) - 1);
    do {
      const count = Math.min(BLOCK, this.streamCount - n * BLOCK);
      this.handle.read(block.subarray(0, count * ENTRY_SIZE), HEADER_SIZE + n * BLOCK * ENTRY_SIZE);
      const compareTo = (entry: number): number =>
        block.compare(key, 0, KEY_SIZE, entry * ENTRY_SIZE, entry * ENTRY_SIZE + KEY_SIZE);
      const found = lowerBound(count, (entry) => compareTo(entry) >= 0);
      if (found < count && compareTo(found) === 0) return this.extent(block, found * ENTRY_SIZE);
    } while (fences[++n] === wanted);
    return undefined;
  }

  /** The first four bytes of the first key of each block, so that a stream is found with one read. */
  private fences: Uint32Array | undefined;

  private readFences(): Uint32Array {
    const fences = new Uint32Array(Math.ceil(this.streamCount / BLOCK));
    const chunk = Buffer.allocUnsafe(BLOCK * ENTRY_SIZE * 512);
    for (let n = 0; n < fences.length; n += 512) {
      this.handle.read(chunk, HEADER_SIZE + n * BLOCK * ENTRY_SIZE);
      for (let k = 0; k < 512 && n + k < fences.length; k++) {
        fences[n + k] = chunk.readUInt32BE(k * BLOCK * ENTRY_SIZE);
      }
    }
    this.fences = fences;
    return fences;
  }

  private extent(entry: Buffer, at: number): StreamExtent {
    const packed = entry.readUInt32LE(at + 18);
    const count = packed & 0x3fffffff;
    const first = entry.readUIntLE(at + 12, 6);
    const postings = this.postingsAt + entry.readUInt32LE(at + 22);
    return new SealedExtent(
      this.window,
      this.base,
      first,
      count,
      (packed & TOMBSTONED) !== 0,
      postings,
      (packed & SPARSE) !== 0,
    );
  }

  /** Calls back with logical offset, place in the file and id digest of the records from the n-th on. */
  records(
    from: number,
    to: number,
    each: (offset: number, place: number, low: number, high: number) => void,
  ): void {
    const step = 4096;
    const words = new Uint32Array(step * 4);
    const buffer = Buffer.from(words.buffer);
    for (let n = from; n < to; n += step) {
      const count = Math.min(step, to - n);
      this.handle.read(buffer.subarray(0, count * 16), this.recordsAt + n * 16);
      if (IS_BIG_ENDIAN) buffer.swap32();
      for (let at = 0; at < count * 4; at += 4) {
        each(words[at] ?? 0, words[at + 1] ?? 0, words[at + 2] ?? 0, words[at + 3] ?? 0);
      }
    }
  }

  /** The number of the first record at or after a logical offset, and its logical offset and place. */
  seek(offset: number): { n: number; offset: number; place: number } | undefined {
    const entry = Buffer.allocUnsafe(8);
    let low = 0;
    let high = this.recordCount;
    while (low < high) {
      const middle = (low + high) >> 1;
      this.handle.read(entry, this.recordsAt + middle * 16);
      if (entry.readUInt32LE(0) < offset) low = middle + 1;
      else high = middle;
    }
    if (low === this.recordCount) return undefined;
    this.handle.read(entry, this.recordsAt + low * 16);
    return { n: low, offset: entry.readUInt32LE(0), place: entry.readUInt32LE(4) };
  }

  close(): void {
    this.handle.close();
  }
}

const WINDOW_BYTES = 2048;

/** The last piece of an index file that was read: the extents of an index share one, so that they cost nothing to keep. */
class IndexWindow {
  private bytes: Buffer = Buffer.alloc(0);
  private at = -1;

  constructor(private readonly handle: FileHandle) {}

  /** Makes sure that `length` bytes at `position` are in the window, and returns it and the place in it. */
  reach(position: number, length: number): { bytes: Buffer; at: number } {
    if (this.at < 0 || position < this.at || position + length > this.at + this.bytes.length) {
      // A fresh buffer is not needed: nobody keeps it between two calls.
      if (this.bytes.length !== WINDOW_BYTES) this.bytes = Buffer.allocUnsafeSlow(WINDOW_BYTES);
      this.at = position - (position % (WINDOW_BYTES / 2));
      this.handle.read(this.bytes, this.at);
    }
    return { bytes: this.bytes, at: position - this.at };
  }
}

class SealedExtent implements StreamExtent {
  constructor(
    private readonly window: IndexWindow,
    private readonly base: number,
    readonly first: number,
    readonly count: number,
    readonly tombstoned: boolean,
    private readonly postings: number,
    private readonly sparse: boolean,
  ) {}

  get last(): number {
    return this.count === 0 ? -1 : this.revisionAt(this.count - 1);
  }

  revisionAt(n: number): number {
    if (!this.sparse) return this.first + n;
    const { bytes, at } = this.window.reach(this.postings + this.count * 4 + n * 6, 6);
    return bytes.readUIntLE(at, 6);
  }

  positionAt(n: number): number {
    const { bytes, at } = this.window.reach(this.postings + n * 4, 4);
    return this.base + bytes.readUInt32LE(at);
  }
}
