import {
  BACKWARDS,
  EventStoreDBClient,
  FORWARDS,
  jsonEvent,
  NO_STREAM,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import { type DomainEvent, EVENTS, type Metadata, metadataJson, payloadJson } from '@oo/contracts';
import { within } from '../clock/timing.js';
import { readEvents, readOfAll } from './all.js';
import {
  anotherPastBecause,
  EventStoreUnavailable,
  StreamGone,
  unavailableBecause,
  WrongRevision,
} from './errors.js';
import { quiet } from './quiet.js';
import { isOurs, type StoredEvent, storedEvent } from './stored-event.js';
import { followAll } from './subscription.js';

/** An event to append. */
export interface NewEvent {
  readonly id: string;
  readonly event: DomainEvent;
  readonly metadata: Omit<Metadata, 'schemaVersion'>;
}

export interface Appended {
  /** Revision of the last of the appended events. */
  readonly revision: bigint;
  /** Commit position of the last of the appended events. */
  readonly position: bigint;
}

/** The revision of a stream that has no event. */
export const EMPTY = -1n;

const PAGE = 500;
/**
 * Of an append, and of a page that is read. The client waits for ever for some answers: of a call that was begun while it
 * closed its connection for the failure of another, for one.
 */
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * The event store, through `@eventstore/db-client` alone. Reads are bounded pages, so that none has to be cancelled but
 * those that nobody answers.
 * All methods throw {@link EventStoreUnavailable} when the store does not answer (an append may then have happened
 * or not) and {@link StreamGone} for a tombstoned stream.
 */
export class EventStore {
  #client: EventStoreDBClient;
  /** The newest event of oO among all up to `scanned`. */
  #head: { readonly position: bigint | undefined; readonly scanned: bigint } | undefined;

  private constructor(readonly url: string) {
    this.#client = EventStoreDBClient.connectionString(url);
  }

  /** @param url connection string: `esdb://127.0.0.1:2113?tls=false`. Connects at the first call. */
  static connect(url: string): EventStore {
    return new EventStore(url);
  }

  async close(): Promise<void> {
    await this.#client.dispose();
  }

  /**
   * @param expected revision of the stream's last event, {@link EMPTY} for none
   * @throws WrongRevision when the stream stands elsewhere
   */
  async append(stream: string, expected: bigint, events: readonly NewEvent[]): Promise<Appended> {
    const data = events.map(({ id, event, metadata }) =>
      jsonEvent({
        id,
        type: event.type,
        data: payloadJson(event) as Record<string, unknown>,
        metadata: metadataJson({ ...metadata, schemaVersion: EVENTS[event.type].version }),
      }),
    );
    const expectedRevision = expected === EMPTY ? NO_STREAM : expected;
    try {
      // The client waits for ever when a batch stream ends without an error.
      const result = await within(
        ANSWER_TIMEOUT_MS,
        this.#client.appendToStream(stream, data, { expectedRevision }),
        unanswered,
      );
      if (result.position === undefined) throw new Error(`the store gave no position for ${stream}`);
      return { revision: result.nextExpectedRevision, position: result.position.commit };
    } catch (error) {
      if (error instanceof WrongExpectedVersionError) {
        throw new WrongRevision(stream, expected, error.actualVersion);
      }
      throw this.#failure(error, stream);
    }
  }

  /** Up to `count` events from `from` on, oldest first; empty where there are none or no such stream. */
  readForward(stream: string, from: bigint, count: number): Promise<StoredEvent[]> {
    return this.#read(stream, { direction: FORWARDS, fromRevision: from, maxCount: count });
  }

  /** The last `count` events, oldest first. */
  async readLast(stream: string, count: number): Promise<StoredEvent[]> {
    const events = await this.#read(stream, { direction: BACKWARDS, fromRevision: 'end', maxCount: count });
    return events.reverse();
  }

  /** A whole stream from `from` on, in pages. */
  async *readStream(stream: string, from = 0n, page = PAGE): AsyncGenerator<StoredEvent[]> {
    for (let next = from; ; ) {
      const events = await this.readForward(stream, next, page);
      const last = events.at(-1);
      if (last === undefined) return;
      yield events;
      if (events.length < page) return;
      next = last.revision + 1n;
    }
  }

  /**
   * Events of oO's streams in the order of the store, in pages; a page may be empty where the store has only others.
   * @param after position to start behind; undefined starts at the beginning
   */
  async *readAll(after?: bigint, page = PAGE): AsyncGenerator<StoredEvent[]> {
    for (let cursor = after; ; ) {
      const events = await this.#readAll(readOfAll(cursor ?? 'start', 'forwards', page));
      // Reading from a position starts with the event that stands there.
      const fresh = events.filter((event) => cursor === undefined || event.position > cursor);
      const last = fresh.at(-1);
      if (last === undefined) return;
      yield fresh.filter(isOurs);
      if (events.length < page) return;
      cursor = last.position;
    }
  }

  /** The same from the newest event backwards. */
  async *readAllBackwards(page = PAGE): AsyncGenerator<StoredEvent[]> {
    for await (const events of this.#backwards(page)) yield events.filter(isOurs);
  }

  /** Position of the newest event of oO's streams; undefined where there is none. */
  async head(): Promise<bigint | undefined> {
    const known = this.#head;
    let scanned: bigint | undefined;
    const found = (position: bigint | undefined) => {
      if (scanned !== undefined) this.#head = { position, scanned };
      return position;
    };
    for await (const page of this.#backwards(64)) {
      for (const event of page) {
        scanned ??= event.position;
        if (isOurs(event)) return found(event.position);
        // What the store writes for itself is passed over once. It is looked at anew where it is not there any more: the
        // store may have been put back.
        if (known !== undefined && event.position === known.scanned) return found(known.position);
      }
    }
    return found(undefined);
  }

  /**
   * Follows all streams of oO in the order of the store, from behind `after` on, until `signal` is aborted or the
   * subscription breaks: then it throws, and the caller follows again from where it stands.
   * @param after position of the last event that the caller has handled; undefined starts at the beginning
   * @param handle slow hands slow the reading down: the next event comes when the promise is fulfilled
   */
  follow(
    after: bigint | undefined,
    handle: (event: StoredEvent) => void | Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    return followAll(this.url, after, handle, signal);
  }

  async *#backwards(page: number): AsyncGenerator<StoredEvent[]> {
    for (let cursor: bigint | undefined; ; ) {
      const events = await this.#readAll(readOfAll(cursor ?? 'end', 'backwards', page));
      const fresh = events.filter((event) => cursor === undefined || event.position < cursor);
      const last = fresh.at(-1);
      if (last === undefined) return;
      yield fresh;
      if (events.length < page) return;
      cursor = last.position;
    }
  }

  #failure(error: unknown, stream: string): unknown {
    if (error instanceof StreamDeletedError) return new StreamGone(stream);
    const anotherPast = anotherPastBecause(error);
    if (anotherPast !== undefined) return anotherPast;
    const unavailable = unavailableBecause(error);
    // A client whose first question about the server's features was not answered in time never asks it again.
    if (unavailable?.late === true) this.#client = EventStoreDBClient.connectionString(this.url);
    return unavailable ?? error;
  }

  async #read(
    stream: string,
    options: {
      direction: typeof FORWARDS | typeof BACKWARDS;
      fromRevision: bigint | 'end';
      maxCount: number;
    },
  ): Promise<StoredEvent[]> {
    const reading = quiet(this.#client.readStream(stream, options));
    const read = async () => {
      const events: StoredEvent[] = [];
      for await (const { event } of reading) if (event !== undefined) events.push(storedEvent(event));
      return events;
    };
    try {
      return await within(ANSWER_TIMEOUT_MS, read(), () => {
        reading.destroy();
        return unanswered();
      });
    } catch (error) {
      if (error instanceof StreamNotFoundError) return [];
      throw this.#failure(error, stream);
    }
  }

  async #readAll(read: ReadReq): Promise<StoredEvent[]> {
    const late = new AbortController();
    const reading = async () => {
      const events: StoredEvent[] = [];
      for await (const event of readEvents(this.#client, read, late.signal)) events.push(event);
      return events;
    };
    try {
      return await within(ANSWER_TIMEOUT_MS, reading(), () => {
        late.abort();
        return unanswered();
      });
    } catch (error) {
      throw this.#failure(error, '$all');
    }
  }
}

function unanswered(): never {
  throw new EventStoreUnavailable(`no answer within ${ANSWER_TIMEOUT_MS} ms`, true);
}
