import { readFileSync } from 'node:fs';
import { CLOCK_QUERY, type Instant, parseInstant } from '@oo/contracts';
import { connectNats } from '@oo/event-sourcing';

/**
 * Answers for the clock of a history that was interrupted, from its file, until the demo steers again: the processes
 * would otherwise act by the system's time, for which all of that past is over.
 * @returns ends it
 */
export async function answerForClock(path: string, natsUrl: string): Promise<() => Promise<void>> {
  const now = standingAt(path);
  if (now === undefined) return async () => undefined;
  const nats = await connectNats(natsUrl, 'up');
  nats.subscribe(CLOCK_QUERY, {
    callback: (_, message) => {
      message.respond(JSON.stringify({ now }));
    },
  });
  await nats.flush();
  return () => nats.close();
}

function standingAt(path: string): Instant | undefined {
  try {
    return parseInstant(readFileSync(path, 'utf8').trim());
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
