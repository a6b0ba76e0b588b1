import * as path from 'node:path';
import type { Files } from './files.js';
import { readManifest, type SegmentEntry } from './manifest.js';
import { checkRecord, MAX_RECORD_SIZE, MIN_RECORD_SIZE } from './record.js';
import {
  type Damage,
  describeDamage,
  indexFileOf,
  SEGMENT_HEADER_SIZE,
  scanSegment,
  segmentHeader,
} from './segment.js';
import { SealedIndex } from './segment-index.js';
import { readMark } from './synced-mark.js';

export interface VerifyOptions {
  readonly files: Files;
  readonly directory: string;
  readonly progress?: (file: string, done: number, total: number) => void;
}

export interface VerifyReport {
  readonly segments: number;
  readonly records: number;
  readonly bytes: number;
  readonly damage: readonly Damage[];
  /** Indexes that will be rebuilt at the next start; nothing is lost with them. */
  readonly indexes: readonly string[];
}

/** Reads everything in a data folder, or a backup, and says what is not as it was written. Changes nothing. */
export function verifyFolder({ files, directory, progress }: VerifyOptions): VerifyReport {
  const manifest = readManifest(files, directory);
  const synced = readMark(files, directory);
  const damage: Damage[] = [];
  const indexes: string[] = [];
  let records = 0;
  let bytes = 0;
  for (const [n, entry] of manifest.segments.entries()) {
    progress?.(entry.file, n, manifest.segments.length);
    const found = verifySegment(files, directory, entry, synced);
    damage.push(...found.damage);
    records += found.records;
    bytes += found.bytes;
    const index = entry.end === undefined ? undefined : indexFault(files, directory, entry, entry.end);
    if (index !== undefined) indexes.push(`${indexFileOf(entry.file)}: ${index}`);
  }
  progress?.('', manifest.segments.length, manifest.segments.length);
  return { segments: manifest.segments.length, records, bytes, damage, indexes };
}

function indexFault(files: Files, directory: string, entry: SegmentEntry, end: number): string | undefined {
  const file = path.join(directory, indexFileOf(entry.file));
  if (!files.exists(file)) return 'missing';
  const handle = files.open(file, 'read');
  try {
    const index = SealedIndex.open(handle, entry.base, end);
    if (typeof index === 'string') return index;
    return index.verify() ? undefined : 'checksum';
  } finally {
    handle.close();
  }
}

/** Where whole records lie in a segment, and what lies between them. */
export interface SegmentFindings {
  readonly records: number;
  readonly bytes: number;
  readonly damage: readonly Damage[];
  /** Places in the file that hold no record, though one was acknowledged there. */
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
  /** Place after the last whole record. */
  readonly end: number;
}

/** Reads a segment over its damaged places: after one, the next whole record is looked for byte by byte. */
export function verifySegment(
  files: Files,
  directory: string,
  entry: SegmentEntry,
  synced: number,
): SegmentFindings {
  const file = path.join(directory, entry.file);
  const nothing = { records: 0, bytes: 0, gaps: [], end: SEGMENT_HEADER_SIZE };
  const damageAt = (position: number, fault: Damage['fault']): Damage => ({
    file: entry.file,
    position,
    fault,
    stream: undefined,
    revision: undefined,
  });
  if (!files.exists(file)) return { ...nothing, damage: [damageAt(entry.base, 'file missing')] };
  const handle = files.open(file, 'read');
  try {
    const damage: Damage[] = [];
    const gaps: { from: number; to: number }[] = [];
    const header = Buffer.alloc(SEGMENT_HEADER_SIZE);
    if (handle.read(header, 0) < SEGMENT_HEADER_SIZE || !header.equals(segmentHeader(entry.base))) {
      damage.push(damageAt(entry.base, 'segment header'));
    }
    const compacted = entry.compactedSize !== undefined;
    /** What has to be there: all of a sealed segment, of the active one what was synced. */
    const whole = entry.compactedSize ?? (entry.end === undefined ? undefined : entry.end - entry.base);
    const needed = whole ?? Math.max(synced - entry.base, SEGMENT_HEADER_SIZE);
    const size = Math.min(handle.size(), whole ?? Number.POSITIVE_INFINITY);
    let place = SEGMENT_HEADER_SIZE;
    let records = 0;
    for (;;) {
      const scan = scanSegment(handle, entry.base, compacted, size, () => {}, place);
      records += scan.records;
      place = scan.end;
      if (place >= needed) break;
      damage.push(
        describeDamage(handle, entry.file, entry.base, place, scan.fault?.reason ?? 'beyond the end'),
      );
      const next = findRecord(
        size,
        place + 1,
        (at, length) => {
          const bytes = Buffer.allocUnsafe(length);
          return bytes.subarray(0, handle.read(bytes, at));
        },
        compacted ? undefined : entry.base,
      );
      gaps.push({ from: place, to: next ?? size });
      if (next === undefined) break;
      place = next;
    }
    return { records, bytes: place, damage, gaps, end: place };
  } finally {
    handle.close();
  }
}

const WINDOW = 1 << 20;

function findRecord(
  size: number,
  from: number,
  read: (at: number, length: number) => Buffer,
  base: number | undefined,
): number | undefined {
  let start = from;
  while (start < size) {
    const window = read(start, WINDOW + MIN_RECORD_SIZE);
    for (let offset = 0; offset + MIN_RECORD_SIZE <= window.length && offset < WINDOW; offset++) {
      const length = window.readUInt32LE(offset);
      if (length < MIN_RECORD_SIZE || length > MAX_RECORD_SIZE || start + offset + length > size) continue;
      if (base !== undefined && window.readUIntLE(offset + 8, 6) !== base + start + offset) continue;
      const candidate =
        offset + length <= window.length
          ? window.subarray(offset, offset + length)
          : read(start + offset, length);
      if (typeof checkRecord(candidate, 0) === 'number') return start + offset;
    }
    start += WINDOW;
  }
  return undefined;
}
