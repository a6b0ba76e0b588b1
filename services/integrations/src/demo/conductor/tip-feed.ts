import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  eventSubject,
  ProblemError,
  type RecordedEvent,
  readEnvelope,
  streamOf,
  type UserId,
} from '@oo/contracts';
import { readHistory } from './history-reader.js';
import { TipsSeen } from './tips-seen.js';

/**
 * A person's tips as they are recorded: the broker brings the new ones, and the history fills what it did not bring.
 */
export class TipFeed {
  readonly seen = new TipsSeen();
  readonly #stream: string;
  #revision = -1n;
  #position: bigint | undefined;
  #behind = true;

  constructor(
    private readonly nats: NatsConnection,
    user: UserId,
    /** Told after each event that the broker brings. */
    private readonly changed: () => void,
    private readonly stopped: AbortSignal,
  ) {
    this.#stream = streamOf('tips', user);
    const subject = eventSubject(this.#stream, '*');
    if (subject === undefined) throw new RangeError(`${this.#stream} is not a stream of oO`);
    nats.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return this.missed();
        this.#take(message.string());
        this.changed();
      },
    });
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
        for await (const event of readHistory(this.nats, [this.#stream], this.#position)) this.#fold(event);
      } catch (error) {
        this.#behind = true;
        if (!(error instanceof ProblemError)) throw error;
        await sleep(200, undefined, { signal: this.stopped });
      }
    }
  }

  #take(text: string): void {
    try {
      const event = readEnvelope(JSON.parse(text));
      if (event.revision > this.#revision + 1n) this.missed();
      else this.#fold(event);
    } catch {
      // Not readable here: the history says the same, and says so loudly.
      this.missed();
    }
  }

  #fold(event: RecordedEvent): void {
    if (event.revision <= this.#revision) return;
    this.#revision = event.revision;
    this.#position = event.position;
    this.seen.fold(event);
  }
}
