import { randomBytes } from 'node:crypto';
import { type Log, RecordReader } from '../storage/log.js';
import {
  Flag,
  NO_BYTES,
  type ProposedEvent,
  type RecordView,
  recordSize,
  writeRecord,
} from '../storage/record.js';
import { SEGMENT_HEADER_SIZE, type Segment } from '../storage/segment.js';
import { digestHigh, digestLow, nameHash, type StreamExtent, streamKey } from '../storage/segment-index.js';
import {
  isMetastream,
  METADATA_TYPE,
  METASTREAM_METADATA,
  metastreamOf,
  NO_METADATA,
  originalOf,
  parseMetadata,
  SOFT_DELETE,
  type StreamMetadata,
  withTruncateBefore,
} from './metadata.js';
import { RecentIds } from './recent-ids.js';

/** The revision that a stream has to be at; a number is exact. */
export type ExpectedRevision = 'any' | 'no_stream' | 'stream_exists' | number | bigint;

export type AppendResult =
  /** A retry of events that can no longer be read is a success without a position. */
  | { readonly kind: 'appended'; readonly revision: number; readonly position: number | undefined }
  | { readonly kind: 'wrong-expected-version'; readonly current: number }
  | { readonly kind: 'stream-deleted' }
  | { readonly kind: 'failed'; readonly reason: string };

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
class StreamEntry {
  /** Last durable revision, −1 for none. */
  last = -1;
  tombstoned = false;
  /** The same, with appends that are on their way to the disk. */
  writtenLast = -1;
  writtenTombstone = false;
  /** Undefined until it is read from the metadata stream. */
  metadata: StreamMetadata | undefined;
  writtenMetadata: StreamMetadata | undefined;
  /** The sealed part of the stream, oldest first; undefined until it is needed. */
  extents: StreamExtent[] | undefined;
  /** The segments that the extents were looked up in. */
  extentsFor: readonly Segment[] | undefined;
  /** Whether the last extent is that of the segment being written. */
  hasActive = false;
  pending = false;
  readonly utf8: Buffer;
  readonly hash: number;

  constructor(readonly name: string) {
    this.utf8 = Buffer.from(name, 'utf8');
    this.hash = nameHash(this.utf8);
  }
}

export interface EventStoreOptions {
  /** How many streams are remembered in memory. */
  readonly streamCache: number;
  /** How many event ids are at least remembered for idempotent retries. */
  readonly idempotencyWindow: number;
  /** Microseconds since 1970. */
  readonly now: () => number;
}

const SLICE_BYTES = 1 << 20;
/** On average; what a stream has in each sealed segment is remembered too. */
const EXTENTS_PER_STREAM = 4;

/** Streams on a log: the rules of appending and reading, without any transport. */
export class EventStore {
  private readonly streams = new Map<string, StreamEntry>();
  private readonly ids: RecentIds;
  private readonly reader: RecordReader;
  private readonly dirty = new Set<StreamEntry>();
  /** Called with each record when it is durable. The view is valid only during the call. */
  onRecord: (record: RecordView) => void = () => {};
  /** Called after each group of records that became durable together. */
  onBatch: () => void = () => {};

  constructor(
    readonly log: Log,
    private readonly options: EventStoreOptions,
  ) {
    this.ids = new RecentIds(options.idempotencyWindow);
    this.reader = new RecordReader(log);
    this.warm();
    log.onCommitted = (record) => this.committed(record);
    log.onBatch = () => {
      this.evict();
      this.onBatch();
    };
    log.onDropped = () => this.dropped();
  }

  /** Fills the window of known ids from the newest segments. */
  private warm(): void {
    const window = this.options.idempotencyWindow;
    const chosen: { segment: Segment; from: number }[] = [];
    let known = 0;
    for (const segment of [...this.log.segments].reverse()) {
      const count = segment.open?.count ?? segment.sealed?.recordCount ?? 0;
      const take = Math.min(count, window - known);
      chosen.unshift({ segment, from: count - take });
      known += take;
      if (known >= window) break;
    }
    for (const { segment, from } of chosen) {
      const { open, sealed } = segment;
      if (open !== undefined) {
        for (let n = from; n < open.count; n++) {
          this.ids.add(
            open.digests[n * 2] ?? 0,
            open.digests[n * 2 + 1] ?? 0,
            segment.base + (open.offsets[n] ?? 0),
          );
        }
      } else if (sealed !== undefined) {
        sealed.records(from, sealed.recordCount, (offset, _place, low, high) => {
          this.ids.add(low, high, segment.base + offset);
        });
      }
    }
  }

  // ---- streams

  private entry(name: string): StreamEntry {
    let entry = this.streams.get(name);
    if (entry === undefined) {
      entry = this.lookUp(name);
      this.streams.set(name, entry);
    }
    return entry;
  }

  /** What the log says of a stream that is not remembered. */
  private lookUp(name: string): StreamEntry {
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
  private evict(): void {
    const { streamCache } = this.options;
    if (this.streams.size > streamCache) {
      let left = this.streams.size - streamCache + (streamCache >> 4);
      for (const [name, entry] of this.streams) {
        if (left-- <= 0) break;
        if (entry.pending) continue;
        this.extentsKept -= entry.extents?.length ?? 0;
        this.streams.delete(name);
      }
    }
    if (this.extentsKept > streamCache * EXTENTS_PER_STREAM) {
      for (const entry of this.streams.values()) {
        this.extentsKept -= entry.extents?.length ?? 0;
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

  private metadataOf(entry: StreamEntry): StreamMetadata {
    if (isMetastream(entry.name)) return METASTREAM_METADATA;
    entry.metadata ??= this.readMetadata(entry.name);
    return entry.metadata;
  }

  private readMetadata(name: string): StreamMetadata {
    const record = this.lastMetadataRecord(name);
    return record === undefined ? NO_METADATA : parseMetadata(record.data);
  }

  private lastMetadataRecord(name: string): RecordView | undefined {
    // Most streams have no metadata; remembering that of them would push streams out of memory that are in use.
    const metastream = metastreamOf(name);
    const meta = this.streams.get(metastream) ?? this.lookUp(metastream);
    return meta.last < 0 ? undefined : this.recordAt(meta, meta.last);
  }

  private writtenMetadataOf(entry: StreamEntry): StreamMetadata {
    return entry.writtenMetadata ?? this.metadataOf(entry);
  }

  isTombstoned(name: string): boolean {
    return this.entry(name).tombstoned || (isMetastream(name) && this.entry(originalOf(name)).tombstoned);
  }

  /** Whether a stream can be read, and its last revision. */
  state(name: string): { state: StreamState; last: number } {
    if (this.streams.size > this.options.streamCache * 1.1) this.evict();
    const entry = this.entry(name);
    if (this.isTombstoned(name)) return { state: 'deleted', last: entry.last };
    if (entry.last < 0 || this.metadataOf(entry).softDeleted) return { state: 'missing', last: entry.last };
    return { state: 'exists', last: entry.last };
  }

  lastRevision(name: string): number {
    return this.entry(name).last;
  }

  // ---- appending

  /**
   * Appends events to a stream, all or none, and calls back when they are on disk, or at once when there is nothing to
   * write. Calls back in the order of the appends to a stream.
   */
  append(
    name: string,
    expected: ExpectedRevision,
    events: readonly ProposedEvent[],
    done: (result: AppendResult) => void,
  ): void {
    const entry = this.entry(name);
    const check = this.check(entry, expected, events);
    switch (check.kind) {
      case 'deleted':
        this.log.afterPending((error) => done(error ? failed(error) : { kind: 'stream-deleted' }));
        return;
      case 'wrong':
        this.log.afterPending((error) =>
          done(error ? failed(error) : { kind: 'wrong-expected-version', current: check.current }),
        );
        return;
      case 'idempotent': {
        const { revision } = check;
        const position = this.isVisible(entry, revision) ? check.position : undefined;
        // The original may still be on its way to the disk.
        this.log.afterPending((error) =>
          done(error ? failed(error) : { kind: 'appended', revision, position }),
        );
        return;
      }
      case 'ok':
        break;
    }
    const revision = entry.writtenLast + events.length;
    const parts: Part[] = [
      events.length === 0 ? { entry, events: [EMPTY], flags: Flag.empty } : { entry, events, flags: 0 },
    ];
    if (check.softDeleted) {
      parts.push(this.undeletion(entry, revision - events.length + 1));
    } else if (check.original !== undefined) {
      parts.push(this.undeletion(check.original, check.original.writtenLast + 1, events[events.length - 1]));
    }
    this.write(parts, (error, position) =>
      done(error ? failed(error) : { kind: 'appended', revision, position }),
    );
  }

  /** The metadata that lets a softly deleted stream be seen again, from a revision on. */
  private undeletion(entry: StreamEntry, truncateBefore: number, replaces?: ProposedEvent): Part {
    const meta = this.entry(metastreamOf(entry.name));
    const raw = replaces?.data ?? this.lastWritten(meta)?.data ?? NO_BYTES;
    return {
      entry: meta,
      events: [metadataEvent(withTruncateBefore(Buffer.from(raw), truncateBefore))],
      flags: 0,
    };
  }

  private lastWritten(entry: StreamEntry): RecordView | undefined {
    if (entry.writtenLast < 0) return undefined;
    if (entry.writtenLast === entry.last) return this.recordAt(entry, entry.last);
    return this.lastPending.get(entry)?.();
  }

  /** How to find the newest record of a metadata stream that is not durable yet. */
  private readonly lastPending = new Map<StreamEntry, () => RecordView | undefined>();

  /** Whether a reader would see an event, were everything durable that is on its way. */
  private isVisible(entry: StreamEntry, revision: number): boolean {
    const metadata = this.writtenMetadataOf(entry);
    if (metadata.softDeleted) return false;
    return revision >= firstVisible(metadata, entry.writtenLast);
  }

  private check(entry: StreamEntry, expected: ExpectedRevision, events: readonly ProposedEvent[]): Check {
    const { name } = entry;
    const original = isMetastream(name) ? this.entry(originalOf(name)) : undefined;
    if (entry.writtenTombstone || original?.writtenTombstone) return { kind: 'deleted' };
    const softDeleted = !original && this.writtenMetadataOf(entry).softDeleted;
    const ok: Check = {
      kind: 'ok',
      softDeleted,
      original: original !== undefined && this.writtenMetadataOf(original).softDeleted ? original : undefined,
    };
    const current = entry.writtenLast;
    const wrong: Check = { kind: 'wrong', current };
    if (expected === 'stream_exists') {
      if (softDeleted) return { kind: 'deleted' };
      if (current < 0 && this.entry(metastreamOf(name)).writtenLast < 0) return wrong;
    }
    if (expected === 'any' || expected === 'stream_exists') {
      let last: RecordView | undefined;
      for (const [n, event] of events.entries()) {
        const known = this.recordWithId(entry, event.id);
        if (known === undefined) return n === 0 ? ok : wrong;
        last = known;
      }
      return last === undefined
        ? ok
        : { kind: 'idempotent', revision: last.revision, position: last.position };
    }
    const exact = expected === 'no_stream' ? -1 : expected;
    if (exact < current) {
      let revision = Number(exact);
      let position = 0;
      for (const [n, event] of events.entries()) {
        revision++;
        const known = this.recordWithId(entry, event.id);
        let found = known !== undefined && known.revision === revision ? known : undefined;
        if (found === undefined && revision <= entry.last) {
          const stored = this.recordAt(entry, revision);
          if (stored?.id.equals(event.id)) found = stored;
        }
        if (found === undefined) {
          return n === 0 && expected === 'no_stream' && softDeleted ? ok : wrong;
        }
        position = found.position;
      }
      if (events.length === 0) return expected === 'no_stream' && softDeleted ? ok : wrong;
      return { kind: 'idempotent', revision, position };
    }
    return exact > current ? wrong : ok;
  }

  /** The newest record of a stream with an event id, durable or on its way, as far back as ids are remembered. */
  private recordWithId({ name, hash }: StreamEntry, id: Buffer): RecordView | undefined {
    const position = this.ids.find(digestLow(id, 0, hash), digestHigh(id, 0, hash));
    if (position === undefined) return undefined;
    let record = this.log.pending(position);
    if (record === undefined) {
      if (position >= this.log.committed) return undefined;
      try {
        record = this.reader.at(position, false);
      } catch {
        // Scavenged since, or damaged: either way the id is not known any more.
        return undefined;
      }
    }
    return record.id.equals(id) && record.stream === name && !record.isInvisible ? record : undefined;
  }

  /**
   * Writes events to one stream, or to a stream and its metadata stream, as one append: after a crash all are there or
   * none. `done` is told the position of the first part's last event.
   */
  private write(parts: readonly Part[], done: (error: Error | undefined, position: number) => void): void {
    const created = this.options.now();
    let size = 0;
    let count = 0;
    for (const { entry, events } of parts) {
      for (const event of events) {
        size += recordSize(entry.utf8.length, Buffer.byteLength(event.type), event.metadata, event.data);
        count++;
      }
    }
    let answer = 0;
    this.log.append(
      size,
      count,
      (target, start, position) => {
        let offset = start;
        let left = count;
        for (const [n, { entry, events, flags }] of parts.entries()) {
          const counts = (flags & (Flag.empty | Flag.tombstone)) === 0;
          let last = 0;
          for (const event of events) {
            const type = Buffer.from(event.type, 'utf8');
            const length = recordSize(entry.utf8.length, type.length, event.metadata, event.data);
            last = position + offset - start;
            writeRecord(target, offset, length, {
              position: last,
              revision: counts ? ++entry.writtenLast : 0,
              flags: flags | (event.json ? Flag.json : 0) | (--left === 0 ? Flag.last : 0),
              id: event.id,
              created,
              stream: entry.utf8,
              type,
              metadata: event.metadata,
              data: event.data,
            });
            if (counts)
              this.ids.add(digestLow(event.id, 0, entry.hash), digestHigh(event.id, 0, entry.hash), last);
            offset += length;
          }
          if (n === 0) answer = last;
          if ((flags & Flag.tombstone) !== 0) entry.writtenTombstone = true;
          if ((flags & Flag.empty) === 0) {
            entry.pending = true;
            this.dirty.add(entry);
          }
          if (counts && isMetastream(entry.name)) this.metadataWritten(entry, events, last);
        }
      },
      (error) => done(error, answer),
    );
  }

  private metadataWritten(meta: StreamEntry, events: readonly ProposedEvent[], position: number): void {
    const original = this.entry(originalOf(meta.name));
    const newest = events[events.length - 1];
    if (newest === undefined) return;
    original.writtenMetadata = parseMetadata(Buffer.from(newest.data));
    original.pending = true;
    this.dirty.add(original);
    this.lastPending.set(meta, () => this.log.pending(position));
  }

  /** Deletes a stream: softly, so that it can be written again, or for good. */
  delete(
    name: string,
    expected: ExpectedRevision,
    forGood: boolean,
    done: (result: AppendResult) => void,
  ): void {
    const entry = this.entry(name);
    const check = this.check(entry, expected, [{ ...EMPTY, id: randomBytes(16) }]);
    if (check.kind === 'deleted') {
      this.log.afterPending((error) => done(error ? failed(error) : { kind: 'stream-deleted' }));
      return;
    }
    const isMissing = entry.writtenLast < 0 && this.entry(metastreamOf(name)).writtenLast < 0;
    if (check.kind !== 'ok' || (!forGood && isMissing)) {
      const current = entry.writtenLast;
      this.log.afterPending((error) =>
        done(error ? failed(error) : { kind: 'wrong-expected-version', current }),
      );
      return;
    }
    const finish = (error: Error | undefined, position: number): void =>
      done(error ? failed(error) : { kind: 'appended', revision: entry.writtenLast, position });
    const tombstone = { ...EMPTY, id: randomBytes(16), type: '$streamDeleted' };
    this.write(
      forGood
        ? [{ entry, events: [tombstone], flags: Flag.tombstone }]
        : [{ entry: this.entry(metastreamOf(name)), events: [metadataEvent(SOFT_DELETE)], flags: 0 }],
      finish,
    );
  }

  private committed(record: RecordView): void {
    if (!record.isEmpty) {
      const entry = this.entry(record.stream);
      if (record.isTombstone) {
        entry.tombstoned = true;
      } else {
        entry.last = record.revision;
        if (isMetastream(entry.name)) {
          const original = this.streams.get(originalOf(entry.name));
          if (original !== undefined) {
            original.metadata = parseMetadata(record.data);
            this.settle(original);
          }
        }
      }
      this.settle(entry);
    }
    this.onRecord(record);
  }

  /** Forgets what was on its way once it has arrived. */
  private settle(entry: StreamEntry): void {
    if (entry.last !== entry.writtenLast || entry.tombstoned !== entry.writtenTombstone) return;
    const meta = this.streams.get(metastreamOf(entry.name));
    if (meta !== undefined && meta.last !== meta.writtenLast) return;
    entry.pending = false;
    entry.writtenMetadata = undefined;
    this.dirty.delete(entry);
    this.lastPending.delete(entry);
  }

  private dropped(): void {
    for (const entry of this.dirty) {
      entry.writtenLast = entry.last;
      entry.writtenTombstone = entry.tombstoned;
      entry.writtenMetadata = undefined;
      entry.pending = false;
    }
    this.dirty.clear();
    this.lastPending.clear();
  }

  // ---- reading

  private extentsOf(entry: StreamEntry): readonly StreamExtent[] {
    const segments = this.log.segments;
    if (entry.extents === undefined || entry.extentsFor !== segments) {
      const key = streamKey(entry.name);
      const extents: StreamExtent[] = [];
      for (const segment of segments.slice(0, -1)) {
        const extent = segment.find(entry.name, () => key);
        if (extent !== undefined && extent.count > 0) extents.push(extent);
      }
      this.extentsKept += extents.length - (entry.extents?.length ?? 0);
      entry.extents = extents;
      entry.extentsFor = segments;
      entry.hasActive = false;
    }
    if (!entry.hasActive) {
      // The segment that is written gains streams all the time.
      const active = this.log.active.open?.streams.get(entry.name);
      if (active !== undefined && active.count > 0) {
        entry.extents.push(active);
        this.extentsKept++;
        entry.hasActive = true;
      }
    }
    return entry.extents;
  }

  private extentsKept = 0;

  /** The extent and place in it of the first event at or after a revision. */
  private locate(
    extents: readonly StreamExtent[],
    revision: number,
  ): { extent: number; n: number } | undefined {
    let low = 0;
    let high = extents.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((extents[middle]?.last ?? 0) < revision) low = middle + 1;
      else high = middle;
    }
    const extent = extents[low];
    if (extent === undefined) return undefined;
    let from = 0;
    let to = extent.count;
    if (extent.last - extent.first + 1 === extent.count)
      return { extent: low, n: Math.max(0, revision - extent.first) };
    while (from < to) {
      const middle = (from + to) >> 1;
      if (extent.revisionAt(middle) < revision) from = middle + 1;
      else to = middle;
    }
    return { extent: low, n: from };
  }

  private recordAt(entry: StreamEntry, revision: number): RecordView | undefined {
    const extents = this.extentsOf(entry);
    const place = this.locate(extents, revision);
    const extent = place && extents[place.extent];
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
    const place = this.locate(extents, revision);
    const extent = place && extents[place.extent];
    if (place === undefined || extent === undefined || extent.revisionAt(place.n) !== revision)
      return undefined;
    const record = reader.at(extent.positionAt(place.n), false);
    return this.isHidden(this.metadataOf(entry), record) ? undefined : record;
  }

  private firstVisible(entry: StreamEntry): number {
    return firstVisible(this.metadataOf(entry), entry.last);
  }

  isExpired({ maxAge }: StreamMetadata, record: RecordView): boolean {
    return maxAge !== undefined && record.created < this.options.now() - maxAge * 1e6;
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
    const place = this.locate(extents, start);
    let next = Math.min(stop + 1, Math.max(start, last + 1));
    let bytes = 0;
    if (place !== undefined && start <= stop) {
      let previous = -1;
      outer: for (let e = place.extent; e < extents.length; e++) {
        const extent = extents[e];
        if (extent === undefined) break;
        for (let n = e === place.extent ? place.n : 0; n < extent.count; n++) {
          const revision = extent.revisionAt(n);
          if (revision > stop) break outer;
          const position = extent.positionAt(n);
          const record = reader.at(position, previous >= 0 && position - previous < 32768);
          previous = position;
          if (!this.isHidden(metadata, record)) records.push(record);
          bytes += record.size;
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
      let e = extents.length - 1;
      while (e >= 0 && (extents[e]?.first ?? 0) > top) e--;
      let previous = -1;
      for (; e >= 0; e--) {
        const extent = extents[e];
        if (extent === undefined) break;
        let n = extent.count - 1;
        if (extent.last > top) {
          const place = this.locate([extent], top);
          n = place?.n ?? n;
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
          if (bytes > SLICE_BYTES)
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

/** Events of one stream in an append. */
interface Part {
  readonly entry: StreamEntry;
  readonly events: readonly ProposedEvent[];
  readonly flags: number;
}

type Check =
  | { readonly kind: 'ok'; readonly softDeleted: boolean; readonly original: StreamEntry | undefined }
  | { readonly kind: 'wrong'; readonly current: number }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'idempotent'; readonly revision: number; readonly position: number };

const EMPTY: ProposedEvent = {
  id: Buffer.alloc(16),
  type: '',
  json: false,
  metadata: NO_BYTES,
  data: NO_BYTES,
};

function metadataEvent(data: Buffer): ProposedEvent {
  const id = randomBytes(16);
  id[6] = ((id[6] ?? 0) & 0x0f) | 0x40;
  id[8] = ((id[8] ?? 0) & 0x3f) | 0x80;
  return { id, type: METADATA_TYPE, json: true, metadata: NO_BYTES, data };
}

function failed(error: Error): AppendResult {
  return { kind: 'failed', reason: error.message };
}
