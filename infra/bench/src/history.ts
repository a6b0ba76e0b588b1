import { connectNats } from '@oo/event-sourcing';
import { startDatabase, startNatsServer } from '@oo/event-sourcing/testing';
import { PROJECTION_NAMES, type ProjectionName } from '@oo/projections';
import type { Measurement } from './measurement.js';
import { startOwnStore } from './own-store.js';
import { rebuild } from './rebuild.js';
import { relay } from './relay.js';
import { fill } from './streams-of-events.js';

export interface HistoryOptions {
  /** How many events the store has. */
  readonly events: number;
  readonly names?: readonly ProjectionName[];
  readonly parts?: readonly ('rebuild' | 'relay')[];
  readonly say: (line: string) => void;
}

/**
 * What is done with a whole store: read models rebuilt, and the broker filled. On servers of its own, each in a process
 * of its own as it is where oO runs.
 */
export async function* wholeHistory({
  events,
  names = PROJECTION_NAMES,
  parts = ['rebuild', 'relay'],
  say,
}: HistoryOptions): AsyncGenerator<Measurement> {
  const [own, database, broker] = await Promise.all([startOwnStore(), startDatabase(), startNatsServer()]);
  const { store, url } = own;
  try {
    const { events: written } = await fill(store, events, say);
    if (parts.includes('rebuild')) yield* rebuild(store, url, database.url, names);
    if (parts.includes('relay')) {
      const nats = await connectNats(broker.url, 'bench');
      yield await relay(nats, store, url, written);
      await nats.close();
    }
  } finally {
    await Promise.all([own.close(), database.close(), broker.close()]);
  }
}
