import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { CLOCK_FILE, CLOCK_SUBJECT, epochMs, type Instant } from '@oo/contracts';
import { answerForClock, standingAt } from '@oo/event-sourcing';

/**
 * The clock of every process that was started with `OO_CLOCK=steered`, as far as this one moves it. Where it stands is
 * kept in a file, so that a system that was stopped in the past starts again in it.
 */
export class Steering {
  readonly #path: string;
  #now: Instant | undefined;

  /** @param folder of the file; made when it is missing */
  constructor(
    private readonly nats: NatsConnection,
    folder: string,
  ) {
    mkdirSync(folder, { recursive: true });
    this.#path = join(folder, CLOCK_FILE);
    this.#now = standingAt(this.#path);
    answerForClock(nats, () => this.#now);
  }

  /** Where the clock was put last; undefined while it runs by itself. */
  get now(): Instant | undefined {
    return this.#now;
  }

  /** Puts the clock to a moment, never back, and waits until the broker has passed it on. */
  async put(to: Instant): Promise<void> {
    if (this.#now !== undefined && epochMs(to) <= epochMs(this.#now)) return;
    this.#now = to;
    writeFileSync(`${this.#path}.new`, `${to}\n`);
    renameSync(`${this.#path}.new`, this.#path);
    await this.#tell(to);
  }

  /** Says the time again, for a process that has started meanwhile. */
  async repeat(): Promise<void> {
    if (this.#now !== undefined) await this.#tell(this.#now);
  }

  /** Lets the clock run by itself again. */
  async release(): Promise<void> {
    this.#now = undefined;
    rmSync(this.#path, { force: true });
    await this.#tell(null);
  }

  async #tell(now: Instant | null): Promise<void> {
    this.nats.publish(CLOCK_SUBJECT, JSON.stringify({ now }));
    await this.nats.flush();
  }
}
