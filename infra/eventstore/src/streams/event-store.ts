import { randomBytes } from 'node:crypto';
import type { Log } from '../storage/log.js';
import {
  Flag,
  NO_BYTES,
  type ProposedEvent,
  type RecordView,
  recordSize,
  writeRecord,
} from '../storage/record.js';
import type { Segment } from '../storage/segment.js';
import { digestHigh, digestLow } from '../storage/segment-index.js';
import {
  isMetastream,
  METADATA_TYPE,
  metastreamOf,
  originalOf,
  parseMetadata,
  SOFT_DELETE,
  type StreamMetadata,
  withTruncateBefore,
} from './metadata.js';
import { RecentIds } from './recent-ids.js';

import {
  firstVisible,
  StoredStreams,
  type StoredStreamsOptions,
  type StreamEntry,
} from './stored-streams.js';

/** The revision that a stream has to be at; a number is exact. */
export type ExpectedRevision = 'any' | 'no_stream' | 'stream_exists' | number | bigint;

export type AppendResult =
  /** A retry of events that can no longer be read is a success without a position. */
  | { readonly kind: 'appended'; readonly revision: number; readonly position: number | undefined }
  | { readonly kind: 'wrong-expected-version'; readonly current: number }
  | { readonly kind: 'stream-deleted' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface EventStoreOptions extends StoredStreamsOptions {
  /** How many event ids are at least remembered for idempotent retries. */
  readonly idempotencyWindow: number;
}

/** Streams on a log: the rules of appending and reading, without any transport. */
export class EventStore extends StoredStreams {
  private readonly ids: RecentIds;
  private readonly dirty = new Set<StreamEntry>();
  /** Called with each record when it is durable. The view is valid only during the call. */
  onRecord: (record: RecordView) => void = () => {};
  /** Called after each group of records that became durable together. */
  onBatch: () => void = () => {};

  constructor(
    log: Log,
    private readonly options: EventStoreOptions,
  ) {
    super(log, options);
    this.ids = new RecentIds(options.idempotencyWindow);
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

  private writtenMetadataOf(entry: StreamEntry): StreamMetadata {
    return entry.writtenMetadata ?? this.metadataOf(entry);
  }

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
    // A metadata stream that has events outlives the tombstone of its stream for writers, though not for readers.
    if (entry.writtenTombstone || (original?.writtenTombstone && entry.writtenLast < 0)) {
      return { kind: 'deleted' };
    }
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
        } else if (found === undefined && known !== undefined) {
          // The id is on its way twice, and the newer one is known.
          found = this.pendingAt(entry, revision, event.id);
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
      // Scavenged since, or never written, or damaged: either way the id is not known any more.
      record = this.reader.perhapsAt(position);
      if (record === undefined) return undefined;
    }
    return record.id.equals(id) && record.stream === name && !record.isInvisible ? record : undefined;
  }

  private pendingAt({ name }: StreamEntry, revision: number, id: Buffer): RecordView | undefined {
    for (const record of this.log.pendingRecords()) {
      if (record.revision === revision && record.id.equals(id) && record.stream === name) return record;
    }
    return undefined;
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
    const revision = entry.writtenLast;
    const finish = (error: Error | undefined, position: number): void =>
      done(error ? failed(error) : { kind: 'appended', revision, position });
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
          const original = this.remembered(originalOf(entry.name));
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
    const meta = this.remembered(metastreamOf(entry.name));
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
