import type { Log } from '../storage/log.js';
import type { RecordView } from '../storage/record.js';
import { RecordReader } from '../storage/record-reader.js';
import { SEGMENT_HEADER_SIZE, type Segment } from '../storage/segment.js';
import { nameHash, streamKey } from '../storage/segment-index.js';
import {
  isMetastream,
  METASTREAM_METADATA,
  metastreamOf,
  NO_METADATA,
  originalOf,
  parseMetadata,
  type StreamMetadata,
} from './metadata.js';
import { placeIn, StreamExtents } from './stream-extents.js';

export type StreamState = 'exists' | 'missing' | 'deleted';

export interface StreamSlice {
  readonly state: StreamState;
  readonly records: RecordView[];
  /** The revision to go on from. */
  readonly next: number;
  /** The stream's last revision, −1 when it has none. */
  readonly last: number;
  readonly end: boolean;
}

export interface LogSlice {
  readonly records: RecordView[];
  readonly next: number;
  readonly end: boolean;
}

/** What is remembered of a stream. */
export class StreamEntry {
  /** Last durable revision, −1 for none. */
  last = -1;
  tombstoned = false;
  /** The same, with appends that are on their way to the disk. */
  writtenLast = -1;
  writtenTombstone = false;
  /** Undefined until it is read from the metadata stream. */
  metadata: StreamMetadata | undefined;
  writtenMetadata: StreamMetadata | undefined;
  /** Undefined until it is needed. */
  extents: StreamExtents | undefined;
  pending = false;
  readonly utf8: Buffer;
  readonly hash: number;

  constructor(readonly name: string) {
    this.utf8 = Buffer.from(name, 'utf8');
    this.hash = nameHash(this.utf8);
  }
}

export interface StoredStreamsOptions {
  /** How many streams are remembered in memory. */
  readonly streamCache: number;
  /** Microseconds since 1970. */
  readonly now: () => number;
}

const SLICE_BYTES = 1 << 20;
/** On average; what a stream has in each sealed segment is remembered too. */
const EXTENTS_PER_STREAM = 4;

/** What the log holds, by stream and as a whole: reading, and what has to be remembered for it. */
export class StoredStreams {
  private readonly streams = new Map<string, StreamEntry>();
  /** For what the server itself looks up; every caller that reads on and on has one of its own. */
  protected readonly reader: RecordReader;

  constructor(
    readonly log: Log,
    private readonly settings: StoredStreamsOptions,
  ) {
    this.reader = new RecordReader(log);
  }

  /** The entry of a stream, if it is in memory. */
  protected remembered(name: string): StreamEntry | undefined {
    return this.streams.get(name);
  }

  protected entry(name: string): StreamEntry {
    let entry = this.streams.get(name);
    if (entry === undefined) {
      entry = this.lookUp(name);
      this.streams.set(name, entry);
    }
    return entry;
  }

  /** What the log says of a stream that is not remembered. */
  protected lookUp(name: string): StreamEntry {
    const entry = new StreamEntry(name);
    const segments = this.log.segments;
    let key: Buffer | undefined;
    const keyOf = (): Buffer => {
      key ??= streamKey(name);
      return key;
    };
    for (let n = segments.length - 1; n >= 0; n--) {
      const extent = segments[n]?.find(name, keyOf);
      if (extent === undefined) continue;
      if (extent.tombstoned) entry.tombstoned = true;
      if (extent.count > 0) {
        entry.last = extent.last;
        break;
      }
    }
    entry.writtenLast = entry.last;
    entry.writtenTombstone = entry.tombstoned;
    return entry;
  }

  /** Keeps what is remembered of streams within its bounds, the longest remembered going first. */
  protected evict(): void {
    const { streamCache } = this.settings;
    if (this.streams.size > streamCache) {
      let left = this.streams.size - streamCache + (streamCache >> 4);
      for (const [name, entry] of this.streams) {
        if (left-- <= 0) break;
        if (entry.pending) continue;
        this.extentsKept -= entry.extents?.kept ?? 0;
        this.streams.delete(name);
      }
    }
    if (this.extentsKept > streamCache * EXTENTS_PER_STREAM) {
      for (const entry of this.streams.values()) {
        this.extentsKept -= entry.extents?.kept ?? 0;
        entry.extents = undefined;
        if (this.extentsKept < (streamCache * EXTENTS_PER_STREAM) / 2) break;
      }
    }
  }

  /** Metadata of a stream as of the last durable write. */
  metadata(name: string): StreamMetadata {
    if (isMetastream(name)) return METASTREAM_METADATA;
    return this.metadataOf(this.entry(name));
  }

  protected metadataOf(entry: StreamEntry): StreamMetadata {
    if (isMetastream(entry.name)) return METASTREAM_METADATA;
    entry.metadata ??= this.readMetadata(entry.name);
    return entry.metadata;
  }

  private readMetadata(name: string): StreamMetadata {
    const record = this.lastMetadataRecord(name);
    return record === undefined ? NO_METADATA : parseMetadata(record.data);
  }

  protected lastMetadataRecord(name: string): RecordView | undefined {
    // Most streams have no metadata; remembering that of them would push streams out of memory that are in use.
    const metastream = metastreamOf(name);
    const meta = this.streams.get(metastream) ?? this.lookUp(metastream);
    return meta.last < 0 ? undefined : this.recordAt(meta, meta.last);
  }

  isTombstoned(name: string): boolean {
    return this.entry(name).tombstoned || (isMetastream(name) && this.entry(originalOf(name)).tombstoned);
  }

  /** Whether a stream can be read, and its last revision. */
  state(name: string): { state: StreamState; last: number } {
    if (this.streams.size > this.settings.streamCache * 1.1) this.evict();
    const entry = this.entry(name);
    if (this.isTombstoned(name)) return { state: 'deleted', last: entry.last };
    if (entry.last < 0 || this.metadataOf(entry).softDeleted) return { state: 'missing', last: entry.last };
    return { state: 'exists', last: entry.last };
  }

  lastRevision(name: string): number {
    return this.entry(name).last;
  }

  private extentsOf(entry: StreamEntry): StreamExtents {
    const segments = this.log.segments;
    if (entry.extents?.segments !== segments) {
      this.extentsKept -= entry.extents?.kept ?? 0;
      entry.extents = new StreamExtents(entry.name, segments, this.countExtent);
    }
    return entry.extents;
  }

  private extentsKept = 0;
  private readonly countExtent = (): void => {
    this.extentsKept++;
  };

  protected recordAt(entry: StreamEntry, revision: number): RecordView | undefined {
    const extents = this.extentsOf(entry);
    const place = extents.locate(revision, entry.last);
    const extent = place && extents.at(place.segment);
    if (place === undefined || extent === undefined || extent.revisionAt(place.n) !== revision)
      return undefined;
    return this.reader.at(extent.positionAt(place.n), false);
  }

  /** One event of a stream, −1 for its last, if it can be seen: for resolving links. */
  visibleRecord(name: string, wanted: number, reader: RecordReader): RecordView | undefined {
    const { state } = this.state(name);
    if (state !== 'exists') return undefined;
    const entry = this.entry(name);
    const revision = wanted === -1 ? entry.last : wanted;
    if (revision > entry.last || revision < this.firstVisible(entry)) return undefined;
    const extents = this.extentsOf(entry);
    const place = extents.locate(revision, entry.last);
    const extent = place && extents.at(place.segment);
    if (place === undefined || extent === undefined || extent.revisionAt(place.n) !== revision)
      return undefined;
    const record = reader.at(extent.positionAt(place.n), false);
    return this.isHidden(this.metadataOf(entry), record) ? undefined : record;
  }

  private firstVisible(entry: StreamEntry): number {
    return firstVisible(this.metadataOf(entry), entry.last);
  }

  isExpired({ maxAge }: StreamMetadata, record: RecordView): boolean {
    return maxAge !== undefined && record.created < this.settings.now() - maxAge * 1e6;
  }

  private isHidden(metadata: StreamMetadata, record: RecordView): boolean {
    return record.isInvisible || this.isExpired(metadata, record);
  }

  /** Up to `limit` events of a stream from a revision on, oldest first. */
  readForwards(name: string, from: number, limit: number, reader: RecordReader): StreamSlice {
    const { state, last } = this.state(name);
    if (state !== 'exists') return { state, records: [], next: from, last, end: true };
    const entry = this.entry(name);
    const first = this.firstVisible(entry);
    if (from + limit - 1 < first) return { state, records: [], next: first, last, end: first > last };
    const metadata = this.metadataOf(entry);
    const records: RecordView[] = [];
    if (from > last) return { state, records: [], next: last + 1, last, end: true };
    const start = Math.max(from, first);
    const stop = Math.min(last, from + limit - 1);
    const extents = this.extentsOf(entry);
    const place = extents.locate(start, last);
    let next = Math.min(stop + 1, Math.max(start, last + 1));
    let bytes = 0;
    if (place !== undefined && start <= stop) {
      let previous = -1;
      outer: for (let e = place.segment; e < extents.segments.length; e++) {
        const extent = extents.at(e);
        if (extent === undefined) continue;
        for (let n = e === place.segment ? place.n : 0; n < extent.count; n++) {
          const revision = extent.revisionAt(n);
          if (revision > stop) break outer;
          const position = extent.positionAt(n);
          const record = reader.at(position, previous >= 0 && position - previous < 32768);
          previous = position;
          if (!this.isHidden(metadata, record)) records.push(record);
          bytes += record.size;
          if (revision === stop) break outer;
          if (bytes > SLICE_BYTES) {
            next = revision + 1;
            return { state, records, next, last, end: next > last };
          }
        }
      }
    }
    next = stop + 1;
    return { state, records, next: Math.max(next, start), last, end: stop >= last || from > last };
  }

  /** Up to `limit` events of a stream from a revision back, newest first. */
  readBackwards(name: string, from: number | 'end', limit: number, reader: RecordReader): StreamSlice {
    const { state, last } = this.state(name);
    if (state !== 'exists') return { state, records: [], next: -1, last, end: true };
    const entry = this.entry(name);
    const first = this.firstVisible(entry);
    const metadata = this.metadataOf(entry);
    const start = from === 'end' ? last : from;
    const stop = Math.max(first, start - limit + 1, 0);
    const records: RecordView[] = [];
    const extents = this.extentsOf(entry);
    let bytes = 0;
    const top = Math.min(start, last);
    if (top >= stop) {
      let previous = -1;
      for (let e = extents.locate(top, last)?.segment ?? extents.segments.length - 1; e >= 0; e--) {
        const extent = extents.at(e);
        if (extent === undefined) continue;
        let n = extent.count - 1;
        if (extent.last > top) {
          n = placeIn(extent, top);
          if (extent.revisionAt(n) > top) n--;
        }
        for (; n >= 0; n--) {
          const revision = extent.revisionAt(n);
          if (revision < stop) return { state, records, next: stop - 1, last, end: stop <= first };
          const position = extent.positionAt(n);
          const record = this.readBack(reader, position, previous);
          previous = position;
          if (!this.isHidden(metadata, record)) records.push(record);
          bytes += record.size;
          if (revision === stop || bytes > SLICE_BYTES)
            return { state, records, next: revision - 1, last, end: revision <= first };
        }
      }
    }
    return { state, records, next: stop - 1, last, end: stop <= first };
  }

  /** Reads a record whose neighbour before it is likely to be wanted next. */
  private readBack(reader: RecordReader, position: number, previous: number): RecordView {
    if (previous > 0 && previous - position < 32768) {
      const segment = this.log.segmentAt(position);
      const place = segment?.placeOf(position);
      if (segment !== undefined && place !== undefined) reader.approach(segment, place);
    }
    return reader.at(position, false);
  }

  /** Records of the whole log from a position on, oldest first. */
  readAllForwards(from: number, limit: number, reader: RecordReader): LogSlice {
    const records: RecordView[] = [];
    let bytes = 0;
    let position = Math.max(from, 0);
    const committed = this.log.committed;
    for (;;) {
      if (position >= committed) return { records, next: committed, end: true };
      const segment = this.log.segmentAt(position);
      let place = segment?.placeFrom(position);
      if (segment !== undefined) {
        while (place !== undefined) {
          const record = reader.inSegment(segment, place, true);
          if (record === undefined) break;
          const at = record.position;
          if (at >= committed) return { records, next: committed, end: true };
          place += record.size;
          if (!record.isInvisible) {
            records.push(record);
            bytes += record.size;
          }
          if (records.length >= limit || bytes > SLICE_BYTES) {
            const next = at + record.size;
            return { records, next, end: next >= committed };
          }
        }
        position = segment.end;
        const following = this.log.segments[this.log.segments.indexOf(segment) + 1];
        if (following === undefined) return { records, next: committed, end: true };
        position = following.base + SEGMENT_HEADER_SIZE;
      }
    }
  }

  /** Records of the whole log before a position, newest first. */
  readAllBackwards(before: number, limit: number, reader: RecordReader): LogSlice {
    const records: RecordView[] = [];
    let bytes = 0;
    const from = Math.min(before, this.log.committed);
    let segment = this.log.segmentAt(from - 1);
    while (segment !== undefined) {
      let place = this.placeBefore(segment, from);
      for (;;) {
        const record = reader.before(segment, place);
        if (record === undefined) break;
        place -= record.size;
        if (!record.isInvisible) {
          records.push(record);
          bytes += record.size;
        }
        if (records.length >= limit || bytes > SLICE_BYTES)
          return { records, next: record.position, end: false };
      }
      segment = this.log.segments[this.log.segments.indexOf(segment) - 1];
    }
    return { records, next: 0, end: true };
  }

  /** The place in a segment's file where the records before a position end. */
  private placeBefore(segment: Segment, position: number): number {
    const end = segment.limit;
    return position >= segment.end ? end : (segment.placeFrom(position) ?? end);
  }

  /** Whether a record begins at a position; in a segment that was scavenged every position passes. */
  isBoundary(position: number): boolean {
    if (position === 0 || position >= this.log.committed) return true;
    const segment = this.log.segmentAt(position);
    if (segment === undefined || segment.compacted || position >= segment.end) return true;
    return segment.placeFrom(position) === position - segment.base;
  }
}

/** The first revision that the metadata of a stream leaves to be seen. */
export function firstVisible({ maxCount, truncateBefore }: StreamMetadata, last: number): number {
  return Math.max(0, truncateBefore ?? 0, maxCount === undefined ? 0 : last - maxCount + 1);
}
