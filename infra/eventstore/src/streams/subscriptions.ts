import type { RecordView } from '../storage/record.js';
import { RecordReader } from '../storage/record-reader.js';
import type { EventFilter } from './event-filter.js';
import type { EventStore } from './event-store.js';

/** Where the events of a subscription go. */
export interface SubscriptionSink {
  event(record: RecordView, reader: RecordReader): void;
  caughtUp(): void;
  fellBehind(): void;
  checkpoint(position: number): void;
  streamDeleted(): void;
  failed(error: Error): void;
  /** Whether more can be taken now. */
  readonly room: boolean;
  /** Resolves when there is room again. */
  drained(): Promise<void>;
}

const PAGE = 100;

/** Tells each live subscription of the records that became durable. */
export class SubscriptionHub {
  private readonly byStream = new Map<string, Set<StreamSubscription>>();
  private readonly toAll = new Set<AllSubscription>();

  constructor(readonly store: EventStore) {}

  get count(): number {
    let count = this.toAll.size;
    for (const set of this.byStream.values()) count += set.size;
    return count;
  }

  publish(record: RecordView): void {
    if (record.isEmpty) return;
    if (this.byStream.size > 0) {
      const set = this.byStream.get(record.stream);
      if (set !== undefined) for (const subscription of set) subscription.live(record);
    }
    for (const subscription of this.toAll) subscription.live(record);
  }

  addStream(subscription: StreamSubscription): void {
    const set = this.byStream.get(subscription.stream) ?? new Set();
    set.add(subscription);
    this.byStream.set(subscription.stream, set);
  }

  removeStream(subscription: StreamSubscription): void {
    const set = this.byStream.get(subscription.stream);
    set?.delete(subscription);
    if (set?.size === 0) this.byStream.delete(subscription.stream);
  }

  addAll(subscription: AllSubscription): void {
    this.toAll.add(subscription);
  }

  removeAll(subscription: AllSubscription): void {
    this.toAll.delete(subscription);
  }
}

/** What catching up and going live have in common, for one stream and for all. */
abstract class CatchUp {
  protected isLive = false;
  protected stopped = false;
  private wakeUp: (() => void) | undefined;
  protected readonly reader: RecordReader;

  constructor(
    protected readonly hub: SubscriptionHub,
    protected readonly sink: SubscriptionSink,
  ) {
    this.reader = new RecordReader(hub.store.log);
  }

  /** Reads what lies before the live events; true when the end is reached. */
  protected abstract readPage(): 'more' | 'end' | 'wait' | 'stop';

  protected abstract take(record: RecordView): void;

  /**
   * Told of each record that became durable, in the middle of answering those who appended: what goes wrong here, a link
   * to an event that cannot be read, ends this subscription and nothing else.
   */
  live(record: RecordView): void {
    try {
      this.take(record);
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    this.stop();
    this.sink.failed(error instanceof Error ? error : new Error(String(error)));
  }

  protected async run(): Promise<void> {
    try {
      for (;;) {
        if (this.stopped) return;
        if (!this.sink.room) {
          await this.sink.drained();
          continue;
        }
        const page = this.readPage();
        if (page === 'stop') return this.stop();
        if (page === 'more') {
          await new Promise((resolve) => setImmediate(resolve));
          continue;
        }
        if (page === 'end') {
          // From here to the first live event nothing else runs, so none is missed.
          this.isLive = true;
          this.sink.caughtUp();
        }
        await new Promise<void>((resolve) => {
          this.wakeUp = resolve;
        });
      }
    } catch (error) {
      this.fail(error);
    }
  }

  protected wake(): void {
    const wakeUp = this.wakeUp;
    this.wakeUp = undefined;
    wakeUp?.();
  }

  /** The reader did not keep up: its events are read from the log again. */
  protected fallBehind(): void {
    this.isLive = false;
    this.sink.fellBehind();
    this.wake();
  }

  stop(): void {
    this.stopped = true;
    this.unregister();
    this.wake();
  }

  protected abstract unregister(): void;
}

export class StreamSubscription extends CatchUp {
  /** The revision wanted next. */
  private next: number;

  constructor(
    hub: SubscriptionHub,
    sink: SubscriptionSink,
    readonly stream: string,
    /** The first event is the one after this revision. */
    from: number | 'start' | 'end',
  ) {
    super(hub, sink);
    this.next = typeof from === 'number' ? from + 1 : from === 'start' ? 0 : -1;
  }

  start(): void {
    this.hub.addStream(this);
    void this.run();
  }

  protected readPage(): 'more' | 'end' | 'wait' | 'stop' {
    if (this.next < 0) {
      this.next = this.hub.store.lastRevision(this.stream) + 1;
      return 'end';
    }
    const slice = this.hub.store.readForwards(this.stream, this.next, PAGE, this.reader);
    if (slice.state === 'deleted') {
      this.sink.streamDeleted();
      return 'stop';
    }
    if (slice.state === 'missing') return 'wait';
    for (const record of slice.records) this.sink.event(record, this.reader);
    this.next = Math.max(this.next, slice.next);
    return slice.end ? 'end' : 'more';
  }

  protected take(record: RecordView): void {
    if (!this.isLive) {
      this.wake();
      return;
    }
    if (record.isTombstone) {
      this.sink.event(record, this.reader);
      this.sink.streamDeleted();
      this.stop();
      return;
    }
    if (record.revision < this.next) return;
    if (!this.sink.room) {
      this.fallBehind();
      return;
    }
    this.next = record.revision + 1;
    this.sink.event(record, this.reader);
  }

  protected unregister(): void {
    this.hub.removeStream(this);
  }
}

export interface AllFilter {
  readonly filter: EventFilter;
  /** How many records one page looks at. */
  readonly window: number;
  /** A checkpoint is sent after this many records were looked at. */
  readonly checkpointInterval: number;
}

export class AllSubscription extends CatchUp {
  /** The position from which on records are wanted. */
  private next: number;
  private considered = 0;

  constructor(
    hub: SubscriptionHub,
    sink: SubscriptionSink,
    /** The first event is the first one after this position. */
    from: number | 'start' | 'end',
    private readonly filter: AllFilter | undefined,
  ) {
    super(hub, sink);
    this.next = typeof from === 'number' ? from + 1 : from === 'start' ? 0 : -1;
  }

  start(): void {
    this.hub.addAll(this);
    void this.run();
  }

  protected readPage(): 'more' | 'end' {
    if (this.next < 0) {
      this.next = this.hub.store.log.committed;
      return 'end';
    }
    const slice = this.hub.store.readAllForwards(this.next, this.filter?.window ?? PAGE, this.reader);
    for (const record of slice.records) {
      if (this.filter === undefined || this.filter.filter.matches(record))
        this.sink.event(record, this.reader);
    }
    this.next = slice.next;
    if (this.filter !== undefined) {
      this.considered += slice.records.length;
      const last = slice.records[slice.records.length - 1];
      if (this.considered >= this.filter.checkpointInterval && !slice.end && last !== undefined) {
        this.considered %= this.filter.checkpointInterval;
        this.sink.checkpoint(last.position);
      }
    }
    return slice.end ? 'end' : 'more';
  }

  protected take(record: RecordView): void {
    if (!this.isLive) return;
    if (record.position < this.next) return;
    if (!this.sink.room) {
      this.fallBehind();
      return;
    }
    this.next = record.position + record.size;
    if (this.filter === undefined) {
      this.sink.event(record, this.reader);
      return;
    }
    if (this.filter.filter.matches(record)) this.sink.event(record, this.reader);
    if (++this.considered >= this.filter.checkpointInterval) {
      this.considered = 0;
      this.sink.checkpoint(record.position);
    }
  }

  protected unregister(): void {
    this.hub.removeAll(this);
  }
}
