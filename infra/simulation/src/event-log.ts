import { EVENTS, metadataJson, payloadJson } from '@oo/contracts';
import {
  type Appended,
  EMPTY,
  type EventStore,
  EventStoreUnavailable,
  type NewEvent,
  type StoredEvent,
  WrongRevision,
} from '@oo/event-sourcing';
import type { Life } from './life.js';
import type { Network } from './network.js';
import type { Random } from './random.js';
import type { VirtualTime } from './virtual-time.js';

/** The event store: what it has acknowledged it has. It is the one part that loses nothing. */
export class EventLog {
  readonly events: StoredEvent[] = [];
  readonly #streams = new Map<string, StoredEvent[]>();
  readonly #byId = new Map<string, StoredEvent>();
  #listeners = new Set<() => void>();
  #position = 100n;

  /** @param appended told of every new event */
  constructor(
    private readonly time: VirtualTime,
    private readonly random: Random,
    private readonly appended: (event: StoredEvent) => void,
  ) {}

  stream(name: string): readonly StoredEvent[] {
    return this.#streams.get(name) ?? [];
  }

  find(id: string): StoredEvent | undefined {
    return this.#byId.get(id);
  }

  /** The first event behind a position. */
  behind(position: bigint): number {
    let [low, high] = [0, this.events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.events[middle]?.position ?? 0n) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  get head(): bigint | undefined {
    return this.events.at(-1)?.position;
  }

  /** @param expected undefined: wherever the stream stands */
  append(stream: string, expected: bigint | undefined, events: readonly NewEvent[]): Appended {
    const existing = this.#streams.get(stream) ?? [];
    const last = existing.at(-1);
    const revision = last?.revision ?? EMPTY;
    if (expected !== undefined && revision !== expected) {
      // As EventStoreDB: the same events at the same place are answered as they were.
      const same = existing.slice(Number(expected) + 1, Number(expected) + 1 + events.length);
      const end = same.at(-1);
      if (end !== undefined && events.every(({ id }, index) => same[index]?.id === id)) {
        return { revision: end.revision, position: end.position };
      }
      throw new WrongRevision(stream, expected, last?.revision);
    }
    this.#streams.set(stream, existing);
    const result = { revision, position: last?.position ?? 0n };
    for (const { id, event, metadata } of events) {
      // What the store writes for itself stands between.
      this.#position += BigInt(1 + this.random.below(90));
      result.revision += 1n;
      result.position = this.#position;
      const stored: StoredEvent = {
        id,
        type: event.type,
        stream,
        ...result,
        data: JSON.parse(JSON.stringify(payloadJson(event))),
        metadata: JSON.parse(
          JSON.stringify(metadataJson({ ...metadata, schemaVersion: EVENTS[event.type].version })),
        ),
        storedAtMs: this.time.wall(),
      };
      existing.push(stored);
      this.events.push(stored);
      this.#byId.set(id, stored);
      this.appended(stored);
    }
    for (const listener of this.#listeners) listener();
    return result;
  }

  /** @returns ends it */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** What of `EventStore` the processes use. */
export type EventLogClient = Omit<Pick<EventStore, keyof EventStore>, 'close' | 'url'>;

const PAGE = 8;

/** The store as one process reaches it. */
export class LogClient implements EventLogClient {
  constructor(
    private readonly log: EventLog,
    private readonly time: VirtualTime,
    private readonly network: Network,
    private readonly life: Life,
  ) {}

  append(stream: string, expected: bigint, events: readonly NewEvent[]): Promise<Appended> {
    return this.#ask(() => this.log.append(stream, expected, events));
  }

  readForward(stream: string, from: bigint, count: number): Promise<StoredEvent[]> {
    return this.#ask(() => {
      const begin = Number(from < 0n ? 0n : from);
      return this.log.stream(stream).slice(begin, begin + Math.min(count, 1_000_000));
    });
  }

  readLast(stream: string, count: number): Promise<StoredEvent[]> {
    return this.#ask(() => this.log.stream(stream).slice(-Math.min(count, 1_000_000)));
  }

  async *readStream(stream: string, from = 0n, page = PAGE): AsyncGenerator<StoredEvent[]> {
    for (let next = from; ; ) {
      const events = await this.readForward(stream, next, Math.min(page, PAGE));
      const last = events.at(-1);
      if (last === undefined) return;
      yield events;
      next = last.revision + 1n;
    }
  }

  async *readAll(after?: bigint, page = PAGE): AsyncGenerator<StoredEvent[]> {
    for (let cursor = after; ; ) {
      const from = cursor ?? -1n;
      const events = await this.#ask(() => this.#behind(from, Math.min(page, PAGE)));
      const last = events.at(-1);
      if (last === undefined) return;
      yield events;
      cursor = last.position;
    }
  }

  async *readAllBackwards(): AsyncGenerator<StoredEvent[]> {
    const events = await this.#ask(() => [...this.log.events].reverse());
    if (events.length > 0) yield events;
  }

  head(): Promise<bigint | undefined> {
    return this.#ask(() => this.log.head);
  }

  async follow(
    after: bigint | undefined,
    handle: (event: StoredEvent) => void | Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    for (let cursor = after ?? -1n; !signal.aborted; ) {
      const events = await this.#ask(() => this.#behind(cursor, PAGE));
      for (const event of events) {
        if (signal.aborted) return;
        const handled = handle(event);
        if (handled !== undefined) await handled;
        cursor = event.position;
      }
      if (events.length === 0) await this.#grown(cursor, signal);
    }
  }

  #behind(position: bigint, count: number): StoredEvent[] {
    const from = this.log.behind(position);
    return this.log.events.slice(from, from + count);
  }

  /** Waits until the store has more than this, or `signal` is aborted. */
  #grown(position: bigint, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        forget();
        signal.removeEventListener('abort', done);
        this.time.schedule(0, resolve, this.life);
      };
      const forget = this.log.onAppend(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted || (this.log.head ?? -1n) > position) done();
    });
  }

  #ask<T>(effect: () => T): Promise<T> {
    return this.network.reach(this.life, 'store', effect, (reason) => new EventStoreUnavailable(reason));
  }
}
