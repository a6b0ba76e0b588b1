import * as path from 'node:path';
import type { FileHandle, Files } from './files.js';
import type { SegmentEntry } from './manifest.js';
import {
  checkRecord,
  Flag,
  MAX_RECORD_SIZE,
  MIN_RECORD_SIZE,
  NO_BYTES,
  type RecordFault,
  RecordView,
} from './record.js';
import {
  digestHigh,
  digestLow,
  encodeIndex,
  lowerBound,
  nameHash,
  OpenIndex,
  SealedIndex,
  type StreamExtent,
} from './segment-index.js';

export const SEGMENT_HEADER_SIZE = 64;
const SCAN_WINDOW = 1 << 20;
const MAGIC = 'OOES';
const SEGMENT_VERSION = 1;

export function segmentHeader(base: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_SIZE);
  header.write(MAGIC, 0, 'latin1');
  header.writeUInt32LE(SEGMENT_VERSION, 4);
  header.writeUIntLE(base, 8, 6);
  return header;
}

/** A place where the log is not what was written. */
export interface Damage {
  readonly file: string;
  /** The log position, or for a compacted segment the place in the file. */
  readonly position: number;
  readonly fault: RecordFault | 'segment header' | 'file too short' | 'file missing';
  /** The stream and revision, if they can still be read. */
  readonly stream: string | undefined;
  readonly revision: number | undefined;
}

export interface Scan {
  /** Place in the file after the last whole append. */
  readonly end: number;
  readonly records: number;
  /** The first thing that is no record, and the place where it is; absent when the file ends cleanly. */
  readonly fault: { readonly place: number; readonly reason: RecordFault } | undefined;
  /** Whole records at the end whose append was cut. */
  readonly unfinished: number;
}

/**
 * Walks the records of a segment from its start. `each` sees the records of every whole append.
 * Begins at the place `from`. Ends at `limit`, at a zero length, at the end of the file, or at the first bytes that are no record.
 */
export function scanSegment(
  handle: FileHandle,
  base: number,
  compacted: boolean,
  limit: number,
  each: (record: RecordView, place: number) => void,
  from = SEGMENT_HEADER_SIZE,
  /** Stops after the append in which this many bytes were seen. */
  budget = Number.POSITIVE_INFINITY,
): Scan {
  let buffer: Buffer = NO_BYTES;
  let start = from;
  let length = 0;
  let place = from;
  let end = place;
  let records = 0;
  let append: { record: RecordView; place: number }[] = [];
  const fill = (): void => {
    const rest = buffer.subarray(place - start, length);
    const next = Buffer.allocUnsafe(Math.max(SCAN_WINDOW, wanted(rest)));
    rest.copy(next);
    const room = Math.min(next.length - rest.length, Math.max(0, limit - (place + rest.length)));
    length = rest.length + handle.read(next.subarray(rest.length, rest.length + room), place + rest.length);
    buffer = next;
    start = place;
  };
  const wanted = (rest: Buffer): number => {
    if (rest.length < 4) return 0;
    const size = rest.readUInt32LE(0);
    return size > MAX_RECORD_SIZE ? 0 : size;
  };
  fill();
  for (;;) {
    const at = place - start;
    let size = checkRecord(buffer.subarray(0, length), at, compacted ? undefined : base + place);
    if (size === 'beyond the end' && start + length < limit) {
      const before = length - at;
      fill();
      if (length > before) {
        size = checkRecord(buffer.subarray(0, length), place - start, compacted ? undefined : base + place);
      }
    }
    if (typeof size === 'string') {
      const rest = buffer.subarray(place - start, length);
      const clean =
        rest.length === 0 || (rest.length >= 4 ? rest.readUInt32LE(0) === 0 : rest.every((b) => b === 0));
      return { end, records, fault: clean ? undefined : { place, reason: size }, unfinished: append.length };
    }
    append.push({ record: new RecordView(buffer, place - start, size), place });
    place += size;
    const record = append[append.length - 1];
    if (record !== undefined && ((record.record.flags & Flag.last) !== 0 || compacted)) {
      for (const item of append) each(item.record, item.place);
      records += append.length;
      append = [];
      end = place;
      if (end - from >= budget) return { end, records, fault: undefined, unfinished: 0 };
    }
  }
}

/** Names what can still be read at a damaged place. */
export function describeDamage(
  handle: FileHandle,
  file: string,
  base: number,
  place: number,
  fault: Damage['fault'],
): Damage {
  const header = Buffer.alloc(MIN_RECORD_SIZE + 1024);
  const read = handle.read(header, place);
  let stream: string | undefined;
  let revision: number | undefined;
  if (read >= MIN_RECORD_SIZE) {
    const name = header.readUInt16LE(46);
    if (name > 0 && 50 + name <= read) {
      const text = header.toString('utf8', 50, 50 + name);
      if (!text.includes('\ufffd') && !text.includes('\0')) {
        stream = text;
        revision = header.readUIntLE(14, 6);
      }
    }
  }
  return { file, position: base + place, fault, stream, revision };
}

export function addToIndex(index: OpenIndex, record: RecordView): void {
  const idAt = record.offset + 22;
  const nameAt = record.offset + 50;
  const stream = nameHash(record.buffer, nameAt, nameAt + record.streamLength);
  const low = digestLow(record.buffer, idAt, stream);
  const high = digestHigh(record.buffer, idAt, stream);
  if (record.isEmpty) index.addRecord(record.position, low, high);
  else index.add(record.stream, record.revision, record.position, record.isTombstone, low, high);
}

/** One file of the log and its index, which is in memory while the segment is written and in a file afterwards. */
export class Segment {
  open: OpenIndex | undefined;
  sealed: SealedIndex | undefined;

  constructor(
    readonly number: number,
    readonly base: number,
    /** The position after the last durable record. */
    public end: number,
    readonly file: string,
    /** The bytes of a file from which records were taken out; undefined for one as it was written. */
    readonly compactedSize: number | undefined,
    readonly handle: FileHandle,
  ) {}

  /** The place in the file after its last record; what a failed write may have left behind it is no part of it. */
  get limit(): number {
    return this.compactedSize ?? this.end - this.base;
  }

  get compacted(): boolean {
    return this.compactedSize !== undefined;
  }

  get entry(): SegmentEntry {
    return {
      number: this.number,
      base: this.base,
      end: this.end,
      file: this.file,
      ...(this.compactedSize === undefined ? {} : { compactedSize: this.compactedSize }),
    };
  }

  find(stream: string, key: () => Buffer): StreamExtent | undefined {
    if (this.open !== undefined) return this.open.streams.get(stream);
    return this.sealed?.find(key());
  }

  /** The place in the file of the record at a position, or of the first one after it. */
  placeOf(position: number): number | undefined {
    if (!this.compacted) return Math.max(SEGMENT_HEADER_SIZE, position - this.base);
    return this.sealed?.seek(Math.max(0, position - this.base))?.place;
  }

  /** The place in the file of the first record at or after a position; undefined when there is none. */
  placeFrom(position: number): number | undefined {
    const offset = position - this.base;
    if (this.open !== undefined) {
      const n = lowerBound(this.open.count, (n) => (this.open?.offsets[n] ?? 0) >= offset);
      return n === this.open.count ? undefined : this.open.offsets[n];
    }
    return this.sealed?.seek(Math.max(0, offset))?.place;
  }

  close(): void {
    this.handle.close();
    this.sealed?.close();
  }
}

/** The name of a segment's file; the generation counts how often it was rewritten. */
export const segmentFile = (number: number, generation = 0): string =>
  `${String(number).padStart(8, '0')}${generation === 0 ? '' : `-${generation}`}.log`;

export const indexFileOf = (segmentFile: string): string => segmentFile.replace(/\.log$/, '.idx');

/** Opens the index of a sealed segment, rebuilding it when it is missing or not whole. */
export async function openIndex(
  files: Files,
  directory: string,
  segment: Segment,
  report: (message: string) => void,
): Promise<void> {
  const file = path.join(directory, indexFileOf(segment.file));
  let reason = 'missing';
  if (files.exists(file)) {
    const handle = files.open(file, 'read');
    const index = SealedIndex.open(handle, segment.base, segment.end);
    if (typeof index !== 'string' && index.verify()) {
      segment.sealed = index;
      return;
    }
    handle.close();
    reason = typeof index === 'string' ? index : 'damaged';
  }
  report(`the index of ${segment.file} is ${reason}: rebuilding it`);
  const places: number[] = [];
  const index = new OpenIndex(segment.base);
  const scan = scanSegment(
    segment.handle,
    segment.base,
    segment.compacted,
    segment.limit,
    (record, place) => {
      addToIndex(index, record);
      places.push(place);
    },
  );
  if (scan.fault !== undefined) {
    throw new DamagedLog([
      describeDamage(segment.handle, segment.file, segment.base, scan.fault.place, scan.fault.reason),
    ]);
  }
  await writeIndex(files, directory, segment, index, segment.compacted ? (n) => places[n] ?? 0 : undefined);
}

export async function writeIndex(
  files: Files,
  directory: string,
  segment: Segment,
  index: OpenIndex,
  placeOf?: (n: number) => number,
): Promise<void> {
  const file = path.join(directory, indexFileOf(segment.file));
  const draft = `${file}.new`;
  const handle = files.open(draft, 'create');
  handle.write(await encodeIndex(index, segment.end, placeOf), 0);
  await handle.datasync();
  handle.close();
  files.rename(draft, file);
  const opened = SealedIndex.open(files.open(file, 'read'), segment.base, segment.end);
  if (typeof opened === 'string')
    throw new Error(`the index ${file} was not written as it should be: ${opened}`);
  segment.sealed = opened;
}

/** The log holds less than was acknowledged. Nothing is served until someone has decided what to do. */
export class DamagedLog extends Error {
  constructor(readonly damage: readonly Damage[]) {
    super(
      `${damage.map(damageText).join('; ')}. The server does not start on a damaged log: restore a backup, or run it with ` +
        '--repair, which sets the damaged bytes aside in quarantine/ and keeps everything that can be read',
    );
  }
}

export function damageText(damage: Damage): string {
  const stream =
    damage.stream === undefined ? '' : ` (stream '${damage.stream}', revision ${damage.revision})`;
  return `damage in ${damage.file} at position ${damage.position}${stream}: ${damage.fault}`;
}
