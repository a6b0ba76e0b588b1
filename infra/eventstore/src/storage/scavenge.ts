import * as path from 'node:path';
import type { FileHandle, Files } from './files.js';
import type { Log } from './log.js';
import { Flag, NO_BYTES, type RecordView, recordSize, writeRecord } from './record.js';
import {
  addToIndex,
  DamagedLog,
  describeDamage,
  indexFileOf,
  SEGMENT_HEADER_SIZE,
  Segment,
  scanSegment,
  segmentFile,
  segmentHeader,
  writeIndex,
} from './segment.js';
import { OpenIndex } from './segment-index.js';

/** What becomes of a record. */
export type Verdict = 'keep' | 'drop' | 'hollow';

export interface ScavengeOptions {
  readonly files: Files;
  readonly directory: string;
  /** Neighbours that fit into one file of this size become one. */
  readonly segmentSize: number;
  readonly judge: (record: RecordView) => Verdict;
  readonly isStopped: () => boolean;
  readonly progress: (done: number, total: number) => void;
}

export interface ScavengeResult {
  readonly stopped: boolean;
  readonly segments: number;
  readonly droppedRecords: number;
  readonly bytesSaved: number;
}

const CHUNK = 1 << 20;

/**
 * Rewrites the log without the records that nobody can see any more. Positions stay: a record carries its own, and the
 * index of a rewritten segment tells where in the file it is. The active segment is sealed first, so that every file
 * is covered; each old file is removed as soon as the new one has taken its place.
 */
export async function scavenge(log: Log, options: ScavengeOptions): Promise<ScavengeResult> {
  await log.sealActive();
  const sealed = log.segments.slice(0, -1);
  let droppedRecords = 0;
  let bytesSaved = 0;
  let done = 0;
  let group: Candidate[] = [];
  let groupBytes = 0;
  const flush = async (): Promise<void> => {
    const worth = group.some((candidate) => candidate.dropped > 0) || group.length > 1;
    if (worth) bytesSaved += await rewrite(log, group, options);
    group = [];
    groupBytes = 0;
  };
  for (const segment of sealed) {
    if (options.isStopped()) break;
    const candidate = await survey(segment, options);
    droppedRecords += candidate.dropped;
    const span = segment.end - (group[0]?.segment.base ?? segment.base);
    if (group.length > 0 && (groupBytes + candidate.bytes > options.segmentSize || span > 0xffffffff))
      await flush();
    group.push(candidate);
    groupBytes += candidate.bytes;
    options.progress(++done, sealed.length);
  }
  await flush();
  return { stopped: options.isStopped(), segments: done, droppedRecords, bytesSaved };
}

interface Candidate {
  readonly segment: Segment;
  readonly dropped: number;
  /** What is left of it. */
  readonly bytes: number;
}

async function survey(segment: Segment, { judge }: ScavengeOptions): Promise<Candidate> {
  let dropped = 0;
  let bytes = 0;
  await eachRecord(segment, (record) => {
    const verdict = judge(record);
    if (verdict === 'keep') bytes += record.size;
    else if (verdict === 'hollow') {
      bytes += hollowSize(record);
      if (!record.isInvisible) dropped++;
    } else dropped++;
  });
  return { segment, dropped, bytes };
}

/** Walks a sealed segment, letting others run in between. */
async function eachRecord(segment: Segment, each: (record: RecordView) => void): Promise<void> {
  const records: RecordView[] = [];
  const limit = segment.limit;
  let place = SEGMENT_HEADER_SIZE;
  while (place < limit) {
    const from = place;
    const scan = scanSegment(
      segment.handle,
      segment.base,
      segment.compacted,
      limit,
      (record, at) => {
        records.push(record);
        place = at + record.size;
      },
      from,
      CHUNK,
    );
    if (scan.fault !== undefined) {
      throw new DamagedLog([
        describeDamage(segment.handle, segment.file, segment.base, scan.fault.place, scan.fault.reason),
      ]);
    }
    for (const record of records.splice(0)) each(record);
    if (place === from) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function hollowSize(record: RecordView): number {
  return recordSize(record.streamLength, 0, NO_BYTES, NO_BYTES);
}

const NO_ID = Buffer.alloc(16);

class SegmentWriter {
  private buffer = Buffer.allocUnsafe(2 * CHUNK);
  private length = 0;
  private written = SEGMENT_HEADER_SIZE;
  readonly index: OpenIndex;
  readonly places: number[] = [];

  constructor(
    private readonly handle: FileHandle,
    base: number,
  ) {
    this.index = new OpenIndex(base);
    handle.write(segmentHeader(base), 0);
  }

  get size(): number {
    return this.written + this.length;
  }

  add(record: RecordView, hollow: boolean): void {
    const size = hollow ? hollowSize(record) : record.size;
    if (this.length + size > this.buffer.length) this.drain(size);
    this.places.push(this.size);
    if (hollow) {
      const nameAt = record.offset + 50;
      writeRecord(this.buffer, this.length, size, {
        position: record.position,
        revision: record.revision,
        flags: Flag.hollow | Flag.last,
        id: NO_ID,
        created: record.created,
        stream: record.buffer.subarray(nameAt, nameAt + record.streamLength),
        type: NO_BYTES,
        metadata: NO_BYTES,
        data: NO_BYTES,
      });
    } else {
      record.buffer.copy(this.buffer, this.length, record.offset, record.offset + size);
    }
    if (hollow) this.index.add(record.stream, record.revision, record.position, false, 0, 0);
    else addToIndex(this.index, record);
    this.length += size;
  }

  private drain(room: number): void {
    this.handle.write(this.buffer.subarray(0, this.length), this.written);
    this.written += this.length;
    this.length = 0;
    if (room > this.buffer.length) this.buffer = Buffer.allocUnsafe(room);
  }

  async finish(): Promise<void> {
    this.drain(0);
    await this.handle.datasync();
  }
}

/** Puts one segment in the place of a group of neighbours; returns the bytes that became free. */
async function rewrite(log: Log, group: readonly Candidate[], options: ScavengeOptions): Promise<number> {
  const { files, directory } = options;
  const first = group[0]?.segment;
  const last = group[group.length - 1]?.segment;
  if (first === undefined || last === undefined) return 0;
  const file = segmentFile(first.number, generationOf(first.file) + 1);
  const handle = files.open(path.join(directory, file), 'create');
  const writer = new SegmentWriter(handle, first.base);
  for (const { segment } of group) {
    await eachRecord(segment, (record) => {
      const verdict = options.judge(record);
      if (verdict !== 'drop') writer.add(record, verdict === 'hollow');
    });
  }
  await writer.finish();
  const segment = new Segment(first.number, first.base, last.end, file, writer.size, handle);
  await writeIndex(files, directory, segment, writer.index, (n) => writer.places[n] ?? 0);
  files.syncDirectory(directory);
  const old = new Set(group.map((candidate) => candidate.segment));
  const before = group.reduce((bytes, candidate) => bytes + candidate.segment.handle.size(), 0);
  await log.changeSegments((segments) => {
    const kept: Segment[] = [];
    for (const other of segments) {
      if (other === first) kept.push(segment);
      else if (!old.has(other)) kept.push(other);
    }
    return kept;
  });
  for (const candidate of group) {
    candidate.segment.close();
    files.remove(path.join(directory, candidate.segment.file));
    files.remove(path.join(directory, indexFileOf(candidate.segment.file)));
  }
  files.syncDirectory(directory);
  return before - writer.size;
}

function generationOf(file: string): number {
  return Number(/-(\d+)\.log$/.exec(file)?.[1] ?? 0);
}
