import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventStoreCommand, eventStoreUrl, eventStoreVersion } from '@oo/embedded';
import { connectNats, EventStore } from '@oo/event-sourcing';
import { freePort, startChild, startDatabase, startNatsServer } from '@oo/event-sourcing/testing';
import { PROJECTION_NAMES, type ProjectionName } from '@oo/projections';
import type { Measurement } from './measurement.js';
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
  const dataDir = await mkdtemp(join(tmpdir(), 'oo-bench-'));
  const port = await freePort();
  const answers = async () => (await eventStoreVersion(`http://127.0.0.1:${port}`)) !== undefined;
  const [server, database, broker] = await Promise.all([
    startChild(eventStoreCommand(dataDir, port), answers),
    startDatabase(),
    startNatsServer(),
  ]);
  const url = eventStoreUrl(port);
  const store = EventStore.connect(url);
  try {
    const { events: written } = await fill(store, events, say);
    if (parts.includes('rebuild')) yield* rebuild(store, url, database.url, names);
    if (parts.includes('relay')) {
      const nats = await connectNats(broker.url, 'bench');
      yield await relay(nats, store, url, written);
      await nats.close();
    }
  } finally {
    await store.close();
    await Promise.all([server.kill('SIGKILL'), database.close(), broker.close()]);
    await rm(dataDir, { recursive: true, force: true });
  }
}
