import type { NatsConnection } from '@nats-io/transport-node';
import { CLOCK_QUERY, CLOCK_SUBJECT, epochMs, type Instant } from '@oo/contracts';

/** The clock of every process that was started with `OO_CLOCK=steered`, as far as this one moves it. */
export class Steering {
  #now: Instant | undefined;

  constructor(private readonly nats: NatsConnection) {
    nats.subscribe(CLOCK_QUERY, {
      callback: (_error, message) => {
        message.respond(JSON.stringify({ now: this.#now ?? null }));
      },
    });
  }

  /** Where the clock was put last; undefined while it runs by itself. */
  get now(): Instant | undefined {
    return this.#now;
  }

  /** Puts the clock to a moment, never back, and waits until the broker has passed it on. */
  async put(to: Instant): Promise<void> {
    if (this.#now !== undefined && epochMs(to) <= epochMs(this.#now)) return;
    this.#now = to;
    await this.#tell(to);
  }

  /** Says the time again, for a process that has started meanwhile. */
  async repeat(): Promise<void> {
    if (this.#now !== undefined) await this.#tell(this.#now);
  }

  /** Lets the clock run by itself again. */
  async release(): Promise<void> {
    this.#now = undefined;
    await this.#tell(null);
  }

  async #tell(now: Instant | null): Promise<void> {
    this.nats.publish(CLOCK_SUBJECT, JSON.stringify({ now }));
    await this.nats.flush();
  }
}
