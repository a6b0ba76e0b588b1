import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  eventSubject,
  PERSON_CATEGORIES,
  ProblemError,
  type RecordedEvent,
  readEnvelope,
  streamOf,
  type UserId,
} from '@oo/contracts';
import { readHistory } from './history-reader.js';
import { LifeSeen } from './life-seen.js';

/** How many of the newest events are known by their ids. */
const IDS_KEPT = 64;

/**
 * A person's events as they are recorded: the broker brings the new ones, and the history fills what it did not bring.
 */
export class EventFeed {
  readonly seen = new LifeSeen();
  readonly #streams: readonly string[];
  readonly #reached = new Map<string, { revision: bigint; position: bigint }>();
  readonly #ids = new Set<string>();
  readonly #waiting = new Set<() => void>();
  #position = -1n;
  #behind = true;

  constructor(
    private readonly nats: NatsConnection,
    user: UserId,
    /** Told after each event that the broker brings. */
    private readonly changed: () => void,
    private readonly stopped: AbortSignal,
  ) {
    this.#streams = PERSON_CATEGORIES.map((category) => streamOf(category, user));
    for (const stream of this.#streams) {
      const subject = eventSubject(stream, '*');
      if (subject === undefined) throw new RangeError(`${stream} is not a stream of oO`);
      nats.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) this.#take(message.string());
          else this.missed();
          this.changed();
        },
      });
    }
  }

  /** Commit position of the newest event that has come; -1 before the first. */
  get position(): bigint {
    return this.#position;
  }

  /** Whether an event, one of the newest, has come. */
  has(eventId: string): boolean {
    return this.#ids.has(eventId);
  }

  /** Revision of the newest event of a stream that has come; -1 before the first. */
  revision(stream: string): bigint {
    return this.#reached.get(stream)?.revision ?? -1n;
  }

  /** Waits for what comes to make something true. @returns false when the time was over first */
  async until(holds: () => boolean, timeoutMs: number): Promise<boolean> {
    if (holds()) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const look = () => {
      if (holds()) resolve(true);
    };
    const timer = setTimeout(resolve, timeoutMs, false);
    this.#waiting.add(look);
    try {
      return await promise;
    } finally {
      this.#waiting.delete(look);
      clearTimeout(timer);
    }
  }

  /** Something may have been lost on the way; the next {@link sync} reads it. */
  missed(): void {
    this.#behind = true;
  }

  /** Reads what the broker did not bring, as soon as the history can be read. @throws EventUnreadable */
  async sync(): Promise<void> {
    while (this.#behind) {
      this.#behind = false;
      try {
        for await (const event of readHistory(this.nats, this.#streams, this.#whole())) this.#fold(event);
      } catch (error) {
        this.#behind = true;
        if (!(error instanceof ProblemError)) throw error;
        await sleep(200, undefined, { signal: this.stopped });
      }
    }
  }

  /** Position up to which nothing is missing: a later event of one stream says nothing about the others. */
  #whole(): bigint {
    let least = this.#position;
    for (const stream of this.#streams) {
      const position = this.#reached.get(stream)?.position ?? -1n;
      if (position < least) least = position;
    }
    return least;
  }

  #take(text: string): void {
    try {
      const event = readEnvelope(JSON.parse(text));
      // After a gap nothing is taken until the history has filled it.
      if (this.#behind || event.revision > this.revision(event.stream) + 1n) this.missed();
      else this.#fold(event);
    } catch {
      // Not readable here: the history says the same, and says so loudly.
      this.missed();
    }
  }

  #fold(event: RecordedEvent): void {
    if (event.revision <= this.revision(event.stream)) return;
    const { revision, position } = event;
    this.#reached.set(event.stream, { revision, position });
    if (position > this.#position) this.#position = position;
    this.#ids.add(event.id);
    for (const id of this.#ids) {
      if (this.#ids.size <= IDS_KEPT) break;
      this.#ids.delete(id);
    }
    this.seen.fold(event);
    for (const look of this.#waiting) look();
  }
}
