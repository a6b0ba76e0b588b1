import { answerForClock, connectNats, standingAt } from '@oo/event-sourcing';

/**
 * Answers for the clock of a history that was interrupted, from its file, until the demo steers again: the processes
 * would otherwise act by the system's time, for which all of that past is over.
 * @returns ends it
 */
export async function answerForStandingClock(path: string, natsUrl: string): Promise<() => Promise<void>> {
  const now = standingAt(path);
  if (now === undefined) return async () => undefined;
  const nats = await connectNats(natsUrl, 'up');
  answerForClock(nats, () => now);
  await nats.flush();
  return () => nats.close();
}
