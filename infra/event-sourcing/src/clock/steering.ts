import { readFileSync } from 'node:fs';
import type { NatsConnection } from '@nats-io/transport-node';
import { CLOCK_QUERY, type Instant, parseInstant } from '@oo/contracts';

/**
 * Where a clock that is steered was put last, out of its file; undefined where there is no such file, or no time in it.
 * @throws Error where the file is there and cannot be read
 */
export function standingAt(path: string): Instant | undefined {
  try {
    return parseInstant(readFileSync(path, 'utf8').trim());
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Answers processes that ask for the time, as who steers it. @param now undefined while clocks run by themselves */
export function answerForClock(nats: NatsConnection, now: () => Instant | undefined): void {
  nats.subscribe(CLOCK_QUERY, {
    callback: (_, message) => {
      message.respond(JSON.stringify({ now: now() ?? null }));
    },
  });
}
