import * as path from 'node:path';
import { type Files, readWhole, replaceFile } from './files.js';
import { checkRecord, MIN_RECORD_SIZE, type RecordFault } from './record.js';
import {
  type Damage,
  DamagedLog,
  damageText,
  describeDamage,
  SEGMENT_HEADER_SIZE,
  type Segment,
} from './segment.js';

const NOTE = 'damage.json';
const SLICE = 1 << 19;
const PAUSE_MS = 25;
const BUSY_PAUSE_MS = 500;
/** The share of its time that the event loop may be busy before it counts as needed elsewhere. */
const BUSY = 0.2;

/**
 * Reads the sealed segments once after each start, checksum by checksum: as much as a second allows before the server
 * is ready, the rest beside the work, and slowly while there is much of it. What it finds is noted in the data folder, so that the next start looks there
 * first and refuses.
 */
export class Patrol {
  private readonly left: { segment: Segment; place: number }[];
  private timer: NodeJS.Timeout | undefined;
  private pause = PAUSE_MS;
  readonly damage: Damage[] = [];

  constructor(
    private readonly files: Files,
    private readonly directory: string,
    segments: readonly Segment[],
    private readonly report: (message: string) => void,
  ) {
    const noted = this.noted();
    this.left = segments
      .filter((segment) => segment.open === undefined)
      .sort((a, b) => Number(noted.has(b.file)) - Number(noted.has(a.file)) || b.number - a.number)
      .map((segment) => ({ segment, place: SEGMENT_HEADER_SIZE }));
    for (const { segment } of [...this.left]) if (noted.has(segment.file)) this.finishFirst();
  }

  /**
   * Works until the budget is spent: so many ms of processor time, which does not shrink when the machine is busy, and
   * at most half as many again by the clock, should the disk be slow. @throws DamagedLog
   */
  begin(budgetMs: number): void {
    const until = performance.now() + 1.5 * budgetMs;
    const start = process.cpuUsage();
    const isSpent = (): boolean => {
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1000 >= budgetMs || performance.now() >= until;
    };
    while (this.left.length > 0 && this.damage.length === 0 && !isSpent()) this.step();
    if (this.damage.length > 0) throw new DamagedLog(this.damage);
  }

  /** Goes on beside the server's work. */
  start(): void {
    if (this.left.length === 0) return;
    const before = performance.eventLoopUtilization();
    this.timer = setTimeout(() => {
      this.pause = performance.eventLoopUtilization(before).utilization < BUSY ? PAUSE_MS : BUSY_PAUSE_MS;
      this.step();
      this.start();
    }, this.pause);
    this.timer.unref();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** A scavenge replaced this segment: it was read then. */
  skip(segment: Segment): void {
    const at = this.left.findIndex((one) => one.segment === segment);
    if (at >= 0) this.left.splice(at, 1);
  }

  private finishFirst(): void {
    const first = this.left[0];
    while (first !== undefined && this.left[0] === first) this.step();
    if (this.damage.length > 0) throw new DamagedLog(this.damage);
  }

  private step(): void {
    const next = this.left[0];
    if (next === undefined) return;
    const { segment } = next;
    const { place, fault } = this.check(segment, next.place);
    next.place = place;
    if (fault === undefined && place < segment.limit) return;
    this.left.shift();
    if (fault !== undefined) {
      this.note(describeDamage(segment.handle, segment.file, segment.base, place, fault));
    }
  }

  /** One buffer for all that is read: a fresh one each time would keep the garbage collector busy beside the work. */
  private readonly buffer = Buffer.allocUnsafeSlow(SLICE);

  /** Checks the records from a place on, as many as are whole in so many bytes; ends at the first that is none. */
  private check(
    segment: Segment,
    from: number,
    length = SLICE,
  ): { place: number; fault: RecordFault | undefined } {
    const left = segment.limit - from;
    // A segment may be empty.
    if (left === 0) return { place: from, fault: undefined };
    const target =
      length > SLICE ? Buffer.allocUnsafe(Math.min(length, left)) : this.buffer.subarray(0, left);
    const slice = target.subarray(0, segment.handle.read(target, from));
    let at = 0;
    do {
      const size = checkRecord(slice, at, segment.compacted ? undefined : segment.base + from + at);
      if (size === 'beyond the end' && slice.length < left) {
        // It goes on behind the slice: the next one begins with it, or has to be as long as it is.
        if (at > 0) break;
        const wanted = slice.length < MIN_RECORD_SIZE ? 0 : slice.readUInt32LE(0);
        if (wanted > length) return this.check(segment, from, wanted);
      }
      if (typeof size === 'string') return { place: from + at, fault: size };
      at += size;
    } while (at < slice.length);
    return { place: from + at, fault: undefined };
  }

  /** Remembers damage, once, and writes it down for the next start. */
  note(found: Damage): void {
    if (this.damage.some((other) => other.file === found.file && other.position === found.position)) return;
    this.damage.push(found);
    this.report(`${damageText(found)}; the next start refuses until it is repaired`);
    const note = Buffer.from(`${JSON.stringify(this.damage, null, 1)}\n`);
    replaceFile(this.files, path.join(this.directory, NOTE), note).catch((error: unknown) => {
      this.report(`the damage could not be noted: ${String(error)}`);
    });
  }

  private noted(): Set<string> {
    const file = path.join(this.directory, NOTE);
    if (!this.files.exists(file)) return new Set();
    const parsed: unknown = JSON.parse(readWhole(this.files, file).toString('utf8'));
    const names = new Set<string>();
    if (Array.isArray(parsed)) {
      for (const entry of parsed) {
        if (
          typeof entry === 'object' &&
          entry !== null &&
          'file' in entry &&
          typeof entry.file === 'string'
        ) {
          names.add(entry.file);
        }
      }
    }
    return names;
  }
}

/** The note is taken away when the damage is repaired. */
export function forgetDamage(files: Files, directory: string): void {
  const file = path.join(directory, NOTE);
  if (files.exists(file)) files.remove(file);
}
