import { randomUUID } from 'node:crypto';
import * as path from 'node:path';
import type { Files } from './files.js';
import {
  FORMAT_VERSION,
  manifestExists,
  readManifest,
  type SegmentEntry,
  writeManifest,
} from './manifest.js';
import { Patrol } from './patrol.js';
import { RecordView } from './record.js';
import { recoverActive, removeStrays, type TornTail } from './recovery.js';
import {
  addToIndex,
  type Damage,
  DamagedLog,
  describeDamage,
  openIndex,
  SEGMENT_HEADER_SIZE,
  Segment,
  scanSegment,
  segmentFile,
  segmentHeader,
  writeIndex,
} from './segment.js';
import { OpenIndex } from './segment-index.js';
import { readMark, SyncedMark } from './synced-mark.js';

export interface LogOptions {
  readonly files: Files;
  readonly directory: string;
  /** A segment is sealed when it has grown to this many bytes, or this many records. */
  readonly segmentSize: number;
  readonly segmentRecords: number;
  readonly report: (message: string) => void;
  /** How long sealed segments are read before the log is open, ms; see `Patrol.begin`. */
  readonly verifyMs?: number;
}

type Done = (error?: Error) => void;

/** What is written and synced together. */
interface Batch {
  /** Position of its first byte. */
  readonly position: number;
  readonly newSegment: boolean;
  buffer: Buffer;
  length: number;
  readonly waiting: Done[];
}

/** The disk refused; nothing of the append is in the log. */
export class StorageFailure extends Error {}

const FIRST_BATCH = 256 * 1024;
const VERIFY_MS = 400;
const SEAL_AT_CLOSE = 16 << 20;

/**
 * The log: numbered segment files, of which the last is written. Appends are gathered while the disk is busy with the
 * batch before, written in one piece and synced; only then are they readable and their callbacks called, in order.
 */
export class Log {
  private readonly batches: Batch[] = [];
  private inFlight: Batch | undefined;
  private spare: Buffer | undefined;
  private flushing = false;
  private scheduled = false;
  private closed = false;
  private broken: Error | undefined;
  private healing: Promise<void> | undefined;
  private recordsInActive = 0;
  /** Seals that run beside the writing. */
  private readonly sealing = new Set<Promise<void>>();
  /** Position after the last durable record. */
  committed: number;
  /** Called with every record once it is durable, in order, before the callbacks of its append. */
  onCommitted: (record: RecordView) => void = () => {};
  onBatch: () => void = () => {};
  /** Called when appends that were taken are dropped, before their callbacks. */
  onDropped: () => void = () => {};
  readonly cut: TornTail | undefined;

  private constructor(
    private readonly options: LogOptions,
    readonly id: string,
    public segments: Segment[],
    private readonly mark: SyncedMark,
    private readonly patrol: Patrol,
    cut: TornTail | undefined,
  ) {
    this.cut = cut;
    this.committed = this.active.end;
    this.recordsInActive = this.active.open?.count ?? 0;
  }

  /** Opens the log in a directory, creating it if there is none. @throws DamagedLog */
  static async open(options: LogOptions): Promise<Log> {
    const { files, directory } = options;
    files.makeDirectory(directory);
    let id: string;
    let entries: readonly SegmentEntry[];
    if (manifestExists(files, directory)) {
      const manifest = readManifest(files, directory);
      id = manifest.id;
      entries = manifest.segments;
    } else {
      // A first start that was cut off leaves an empty segment at most.
      if (files.list(directory).some((name) => name.endsWith('.log') && !isEmpty(files, directory, name))) {
        throw new Error(
          `${directory} holds segments and no manifest.json; restore the manifest from a backup, or move the segments away`,
        );
      }
      id = randomUUID();
      const entry = { number: 0, base: 0, file: segmentFile(0) };
      const handle = files.open(path.join(directory, entry.file), 'create');
      handle.write(segmentHeader(0), 0);
      await handle.datasync();
      handle.close();
      await writeManifest(files, directory, { format: FORMAT_VERSION, id, segments: [entry] });
      entries = [entry];
    }
    removeStrays(files, directory, entries, options.report);
    const synced = readMark(files, directory);
    const mark = SyncedMark.open(files, directory);
    const segments: Segment[] = [];
    let cut: TornTail | undefined;
    for (const entry of entries) {
      const file = path.join(directory, entry.file);
      if (!files.exists(file)) throw new DamagedLog([missing(entry)]);
      const handle = files.open(file, 'write');
      const header = Buffer.alloc(SEGMENT_HEADER_SIZE);
      if (handle.read(header, 0) < SEGMENT_HEADER_SIZE || !header.equals(segmentHeader(entry.base))) {
        throw new DamagedLog([
          {
            file: entry.file,
            position: entry.base,
            fault: 'segment header',
            stream: undefined,
            revision: undefined,
          },
        ]);
      }
      const segment = new Segment(
        entry.number,
        entry.base,
        entry.end ?? entry.base + SEGMENT_HEADER_SIZE,
        entry.file,
        entry.compactedSize,
        handle,
      );
      segments.push(segment);
      if (entry.end === undefined) {
        cut = await recoverActive(segment, synced, options.report);
      } else {
        if (handle.size() < segment.limit) {
          throw new DamagedLog([
            {
              file: entry.file,
              position: entry.base + handle.size(),
              fault: 'file too short',
              stream: undefined,
              revision: undefined,
            },
          ]);
        }
        await openIndex(files, directory, segment, options.report);
      }
    }
    const last = segments[segments.length - 1];
    if (last === undefined || last.open === undefined)
      throw new Error('the manifest names no segment to write to');
    const patrol = new Patrol(files, directory, segments, options.report);
    patrol.begin(options.verifyMs ?? VERIFY_MS);
    patrol.start();
    return new Log(options, id, segments, mark, patrol, cut);
  }

  get active(): Segment {
    const last = this.segments[this.segments.length - 1];
    if (last === undefined) throw new Error('a log has at least one segment');
    return last;
  }

  /** What was found damaged since the start. */
  get damage(): readonly Damage[] {
    return this.patrol.damage;
  }

  /** Takes note of what a reader found damaged. */
  note(damage: Damage): void {
    this.patrol.note(damage);
  }

  /** Why appends are refused at the moment, if they are. */
  get failure(): Error | undefined {
    return this.broken;
  }

  /** The batch that takes the next append of `size` bytes and `records` records. */
  private batchFor(size: number, records: number): Batch {
    let batch = this.batches[this.batches.length - 1];
    const next = batch ?? this.inFlight;
    const position = next === undefined ? this.committed : next.position + next.length;
    const base = next === undefined ? this.active.base : this.writeBase;
    if (batch === undefined) this.writeBase = base;
    const full =
      position - base > SEGMENT_HEADER_SIZE &&
      (position - base + size > this.options.segmentSize ||
        this.recordsInActive + records > this.options.segmentRecords);
    if (batch === undefined || full) {
      if (full) {
        this.writeBase = position;
        this.recordsInActive = 0;
      }
      batch = {
        position: full ? position + SEGMENT_HEADER_SIZE : position,
        newSegment: full,
        buffer: this.spare ?? Buffer.allocUnsafeSlow(FIRST_BATCH),
        length: 0,
        waiting: [],
      };
      this.spare = undefined;
      this.batches.push(batch);
    }
    this.recordsInActive += records;
    if (batch.length + size > batch.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(batch.buffer.length * 2, batch.length + size));
      batch.buffer.copy(grown, 0, 0, batch.length);
      batch.buffer = grown;
    }
    return batch;
  }

  /** Base of the segment that the newest batch will be in. */
  private writeBase = 0;

  /**
   * Takes an append of `size` bytes. `write` puts the records into the buffer at the offset; the first one is at the
   * given position. `done` is called when it is durable, or with a `StorageFailure`.
   */
  append(
    size: number,
    records: number,
    write: (target: Buffer, offset: number, position: number) => void,
    done: Done,
  ): void {
    if (this.closed) {
      done(new StorageFailure('the server is shutting down'));
      return;
    }
    if (this.broken !== undefined) {
      this.heal();
      done(new StorageFailure(`the log cannot be written: ${this.broken.message}`));
      return;
    }
    const batch = this.batchFor(size, records);
    write(batch.buffer, batch.length, batch.position + batch.length);
    batch.length += size;
    batch.waiting.push(done);
    this.schedule();
  }

  /** Calls back when everything appended so far is durable. */
  afterPending(done: Done): void {
    const batch = this.batches[this.batches.length - 1] ?? this.inFlight;
    if (batch === undefined) done();
    else batch.waiting.push(done);
  }

  private schedule(): void {
    if (this.flushing || this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      if (!this.flushing) void this.flush();
    });
  }

  private async flush(): Promise<void> {
    this.flushing = true;
    try {
      if (this.rollRequested && this.batches.length === 0) {
        await this.roll(this.committed);
        this.recordsInActive = 0;
      }
      this.rollRequested = false;
      for (let batch = this.batches.shift(); batch !== undefined; batch = this.batches.shift()) {
        this.inFlight = batch;
        if (batch.newSegment) await this.roll(batch.position - SEGMENT_HEADER_SIZE);
        const bytes = batch.buffer.subarray(0, batch.length);
        const place = batch.position - this.active.base;
        try {
          this.active.handle.write(bytes, place);
        } catch (error) {
          // Nothing was synced, so cutting the piece off again is enough.
          this.active.handle.truncate(this.committed - this.active.base);
          this.dropAll(asError(error), batch);
          continue;
        }
        await this.active.handle.datasync();
        this.commit(batch);
      }
    } catch (error) {
      this.broken = asError(error);
      this.dropAll(this.broken, this.inFlight);
      this.options.report(
        `writing the log failed: ${this.broken.message}; appends are refused until it can be written`,
      );
    } finally {
      this.inFlight = undefined;
      this.flushing = false;
    }
    if (this.batches.length > 0) this.schedule();
  }

  private commit(batch: Batch): void {
    const open = this.active.open;
    let offset = 0;
    this.committed = batch.position + batch.length;
    this.active.end = this.committed;
    this.mark.write(this.committed);
    this.inFlight = undefined;
    while (offset < batch.length) {
      const record = new RecordView(batch.buffer, offset, batch.buffer.readUInt32LE(offset));
      if (open !== undefined) addToIndex(open, record);
      this.onCommitted(record);
      offset += record.size;
    }
    this.onBatch();
    for (const done of batch.waiting) done();
    // Only a buffer of the usual size is kept; live subscribers copied what they needed while they were told.
    if (batch.buffer.length === FIRST_BATCH) this.spare = batch.buffer;
  }

  private dropAll(error: Error, first: Batch | undefined): void {
    const dropped = first === undefined ? [] : [first];
    dropped.push(...this.batches.splice(0));
    this.recordsInActive = this.active.open?.count ?? 0;
    this.onDropped();
    const failure = new StorageFailure(`the log cannot be written: ${error.message}`);
    for (const batch of dropped) for (const done of batch.waiting) done(failure);
  }

  /**
   * After a failed sync the kernel may have dropped the dirty pages and call the next sync a success, so the file is
   * left alone: what it acknowledged is read back and checked, and writing goes on in a fresh segment.
   */
  private heal(): void {
    if (this.healing !== undefined || this.closed) return;
    this.healing = this.tryToHeal().finally(() => {
      this.healing = undefined;
    });
  }

  private async tryToHeal(): Promise<void> {
    try {
      const active = this.active;
      const scan = scanSegment(active.handle, active.base, false, this.committed - active.base, () => {});
      if (scan.end !== this.committed - active.base) {
        throw new DamagedLog([
          describeDamage(
            active.handle,
            active.file,
            active.base,
            scan.end,
            scan.fault?.reason ?? 'beyond the end',
          ),
        ]);
      }
      active.handle.truncate(this.committed - active.base);
      await this.roll(this.committed);
      this.recordsInActive = 0;
      this.broken = undefined;
      this.options.report('the log can be written again');
    } catch (error) {
      this.broken = asError(error);
    }
  }

  /** Seals the active segment at its end and starts a new one there. */
  private async roll(base: number): Promise<void> {
    const { files, directory } = this.options;
    const old = this.active;
    const number = old.number + 1;
    const file = segmentFile(number);
    const handle = files.open(path.join(directory, file), 'create');
    handle.write(segmentHeader(base), 0);
    await handle.datasync();
    files.syncDirectory(directory);
    const segment = new Segment(number, base, base + SEGMENT_HEADER_SIZE, file, undefined, handle);
    segment.open = new OpenIndex(base);
    await this.changeSegments((segments) => [...segments, segment]);
    this.committed = segment.end;
    this.writeBase = base;
    const sealing = this.seal(old);
    this.sealing.add(sealing);
    void sealing.finally(() => this.sealing.delete(sealing));
  }

  private changing: Promise<void> = Promise.resolve();

  /** Changes which segments there are, on disk and then in memory; one change at a time. */
  changeSegments(change: (segments: readonly Segment[]) => Segment[]): Promise<void> {
    const done = this.changing.then(async () => {
      const segments = change(this.segments);
      const last = segments.length - 1;
      await writeManifest(this.options.files, this.options.directory, {
        format: FORMAT_VERSION,
        id: this.id,
        segments: segments.map(({ entry, number, base, file }, n) =>
          n === last ? { number, base, file } : entry,
        ),
      });
      for (const old of this.segments) if (!segments.includes(old)) this.patrol.skip(old);
      this.segments = segments;
    });
    this.changing = done.catch(() => {});
    return done;
  }

  /** Seals the active segment, if anything is in it, and waits until its index is written. */
  async sealActive(): Promise<void> {
    await new Promise<void>((resolve) => this.afterPending(() => resolve()));
    if (this.active.end > this.active.base + SEGMENT_HEADER_SIZE) {
      this.rollRequested = true;
      this.schedule();
      while (this.rollRequested && !this.closed && this.broken === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    await Promise.allSettled([...this.sealing]);
  }

  private rollRequested = false;

  private async seal(segment: Segment): Promise<void> {
    if (segment.open === undefined) return;
    try {
      await writeIndex(this.options.files, this.options.directory, segment, segment.open);
      segment.open = undefined;
      // Whoever remembers the index in memory looks it up again.
      this.segments = [...this.segments];
    } catch (error) {
      // The index in memory goes on serving; the file is rebuilt at the next start.
      this.options.report(`the index of ${segment.file} could not be written: ${asError(error).message}`);
    }
  }

  /** The segment that holds a position. */
  segmentAt(position: number): Segment | undefined {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.segments[middle]?.base ?? 0) <= position) low = middle + 1;
      else high = middle;
    }
    return this.segments[low - 1];
  }

  private get pendingBatches(): readonly Batch[] {
    return this.inFlight === undefined ? this.batches : [this.inFlight, ...this.batches];
  }

  /** A record that was appended and is not durable yet. */
  pending(position: number): RecordView | undefined {
    for (const batch of this.pendingBatches) {
      const offset = position - batch.position;
      if (offset >= 0 && offset < batch.length) {
        return new RecordView(batch.buffer, offset, batch.buffer.readUInt32LE(offset));
      }
    }
    return undefined;
  }

  /** All of them, in their order. */
  *pendingRecords(): Generator<RecordView> {
    for (const { buffer, length } of this.pendingBatches) {
      for (let offset = 0; offset < length; offset += buffer.readUInt32LE(offset)) {
        yield new RecordView(buffer, offset, buffer.readUInt32LE(offset));
      }
    }
  }

  /** Where the next record will be written. */
  get writePosition(): number {
    const batch = this.batches[this.batches.length - 1] ?? this.inFlight;
    return batch === undefined ? this.committed : batch.position + batch.length;
  }

  /** Writes what was appended, and closes the files. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.afterPending(() => resolve()));
    // A long segment is sealed, so that the next start need not read it.
    if (this.active.end - this.active.base > SEAL_AT_CLOSE && this.broken === undefined)
      await this.sealActive();
    this.closed = true;
    await Promise.allSettled([...this.sealing, this.healing]);
    this.patrol.stop();
    this.mark.close();
    for (const segment of this.segments) segment.close();
  }
}

function isEmpty(files: Files, directory: string, name: string): boolean {
  const handle = files.open(path.join(directory, name), 'read');
  try {
    return handle.size() <= SEGMENT_HEADER_SIZE;
  } finally {
    handle.close();
  }
}

function missing(entry: SegmentEntry): Damage {
  return {
    file: entry.file,
    position: entry.base,
    fault: 'file missing',
    stream: undefined,
    revision: undefined,
  };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
