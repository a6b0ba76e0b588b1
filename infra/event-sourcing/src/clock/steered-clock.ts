import { errors, type NatsConnection } from '@nats-io/transport-node';
import { CLOCK_QUERY, CLOCK_SUBJECT, edge, type Instant } from '@oo/contracts';
import { z } from 'zod';
import { type Clock, systemClock } from './clock.js';

/** How long whoever steers is waited for before they are asked again. */
const ANSWER_TIMEOUT_MS = 2_000;
const MOST_QUESTIONS = 15;

const steering = z.strictObject({ now: edge.timestamp.nullable() });

/** A clock that stands where it was put, and follows `base` again once it is released. */
export class SteeredClock implements Clock {
  #standsAt: Instant | undefined;

  constructor(private readonly base: Clock = systemClock) {}

  now(): Instant {
    return this.#standsAt ?? this.base.now();
  }

  /** @param at where the clock stands from now on; null releases it. */
  steer(at: Instant | null): void {
    this.#standsAt = at ?? undefined;
  }

  /**
   * Follows {@link CLOCK_SUBJECT}, and asks whoever steers for the time now: a process that starts again in the
   * middle of a steered past must not act by the system's time. Nobody steers where nobody answers.
   * @param ignored told of a message that is not a time
   */
  async follow(nats: NatsConnection, ignored: (reason: string) => void): Promise<void> {
    let heard = false;
    const take = (text: string) => {
      const parsed = steering.safeParse(parseJson(text));
      if (!parsed.success) return ignored(parsed.error.message);
      heard = true;
      this.steer(parsed.data.now as Instant | null);
    };
    nats.subscribe(CLOCK_SUBJECT, {
      callback: (error, message) => (error === null ? take(message.string()) : ignored(error.message)),
    });
    for (let question = 0; question < MOST_QUESTIONS && !heard; question++) {
      try {
        const answer = await nats.request(CLOCK_QUERY, '', { timeout: ANSWER_TIMEOUT_MS });
        // What was said since is newer than the answer.
        if (!heard) take(answer.string());
        return;
      } catch (error) {
        // A time-out tells of a busy machine. Only when the broker knows of nobody, nobody steers.
        const reason = error instanceof errors.RequestError ? error.cause : error;
        if (!(reason instanceof errors.TimeoutError)) return;
      }
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
