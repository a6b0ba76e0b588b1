import type { NatsConnection } from '@nats-io/transport-node';
import { CLOCK_SUBJECT, edge, type Instant } from '@oo/contracts';
import { z } from 'zod';
import { type Clock, systemClock } from './clock.js';

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

  /** Follows {@link CLOCK_SUBJECT}. @param ignored told of a message that is not a time */
  follow(nats: NatsConnection, ignored: (reason: string) => void): void {
    nats.subscribe(CLOCK_SUBJECT, {
      callback: (error, message) => {
        if (error !== null) return ignored(error.message);
        const parsed = steering.safeParse(parseJson(message.string()));
        if (!parsed.success) return ignored(parsed.error.message);
        this.steer(parsed.data.now as Instant | null);
      },
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
