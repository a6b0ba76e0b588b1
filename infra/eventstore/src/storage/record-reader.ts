import type { Log } from './log.js';
import { checkRecord, MIN_RECORD_SIZE, RecordView } from './record.js';
import { DamagedLog, describeDamage, SEGMENT_HEADER_SIZE, type Segment } from './segment.js';

/** Reads records, keeping one window of the file in memory, so that neighbours cost one read. */
export class RecordReader {
  private buffer: Buffer = Buffer.alloc(0);
  private segment: Segment | undefined;
  private start = 0;
  private length = 0;

  constructor(
    private readonly log: Log,
    private readonly large = 256 * 1024,
    private readonly small = 8 * 1024,
  ) {}

  /** The record at a position. @throws when what is there is not that record. */
  at(position: number, sequential: boolean): RecordView {
    const segment = this.log.segmentAt(position);
    const place = segment?.placeOf(position);
    if (segment === undefined || place === undefined) throw new Error(`no record at position ${position}`);
    const record = this.inSegment(segment, place, sequential);
    if (segment.compacted && record?.position !== position)
      throw new Error(`no record at position ${position}`);
    if (record === undefined || record.position !== position) throw this.damaged(segment, place);
    return record;
  }

  /** The record at a position that was remembered: undefined when another one, or the middle of one, is there by now. */
  perhapsAt(position: number): RecordView | undefined {
    this.isGuess = true;
    try {
      return this.at(position, false);
    } catch {
      return undefined;
    } finally {
      this.isGuess = false;
    }
  }

  private isGuess = false;

  /** The record at a place of a segment; undefined at its end. */
  inSegment(segment: Segment, place: number, sequential: boolean): RecordView | undefined {
    const end = segment.compacted ? Number.POSITIVE_INFINITY : segment.end - segment.base;
    if (place >= end) return undefined;
    let size = this.inWindow(segment, place);
    if (typeof size === 'string') {
      this.load(segment, place, sequential ? this.large : this.small, end);
      size = this.inWindow(segment, place);
      if (size === 'beyond the end' && this.length >= 4) {
        const length = this.buffer.readUInt32LE(0);
        if (length > this.length) {
          this.load(segment, place, length, end);
          size = this.inWindow(segment, place);
        }
      }
      if (typeof size === 'string') {
        if (this.length === 0) return undefined;
        throw this.damaged(segment, place);
      }
    }
    return new RecordView(this.buffer, place - this.start, size);
  }

  /** The record that ends at a place of a segment; undefined at its start. */
  before(segment: Segment, place: number): RecordView | undefined {
    if (place <= SEGMENT_HEADER_SIZE) return undefined;
    if (
      this.segment !== segment ||
      place - MIN_RECORD_SIZE < this.start ||
      place > this.start + this.length
    ) {
      const from = Math.max(SEGMENT_HEADER_SIZE, place - this.large);
      this.load(segment, from, place - from, place);
    }
    const size = this.buffer.readUInt32LE(place - this.start - 4);
    const at = place - size;
    if (size < MIN_RECORD_SIZE || at < SEGMENT_HEADER_SIZE) throw this.damaged(segment, place);
    if (at < this.start) {
      const from = Math.max(SEGMENT_HEADER_SIZE, Math.min(at, place - this.large));
      this.load(segment, from, place - from, place);
    }
    const checked = checkRecord(this.buffer.subarray(0, this.length), at - this.start);
    if (typeof checked === 'string') throw this.damaged(segment, at);
    return new RecordView(this.buffer, at - this.start, checked);
  }

  /** Makes sure that the window holds what lies before a place: for reading towards the start. */
  approach(segment: Segment, place: number): void {
    if (this.segment === segment && place >= this.start && place < this.start + this.length) return;
    const end = segment.end - segment.base;
    const from = Math.max(SEGMENT_HEADER_SIZE, place - this.large);
    this.load(
      segment,
      from,
      Math.min(place - from + this.small, segment.compacted ? this.large * 2 : end - from),
      Number.POSITIVE_INFINITY,
    );
  }

  private inWindow(segment: Segment, place: number): number | string {
    if (this.segment !== segment || place < this.start || place >= this.start + this.length)
      return 'beyond the end';
    return checkRecord(this.buffer.subarray(0, this.length), place - this.start);
  }

  private load(segment: Segment, place: number, wanted: number, end: number): void {
    // A fresh buffer each time: records handed out before go on living in the old one.
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(wanted, end - place)));
    this.length = segment.handle.read(buffer, place);
    this.buffer = buffer;
    this.segment = segment;
    this.start = place;
  }

  private damaged(segment: Segment, place: number): DamagedLog {
    const damage = describeDamage(segment.handle, segment.file, segment.base, place, 'checksum');
    if (!this.isGuess) this.log.note(damage);
    return new DamagedLog([damage]);
  }
}
