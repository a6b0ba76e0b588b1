import { connectNats, EventStore } from '@oo/event-sourcing';
import { startBackbone } from '@oo/event-sourcing/testing';
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

/** What is done with a whole store: read models rebuilt, and the broker filled. On servers of its own. */
export async function wholeHistory({
  events,
  names = PROJECTION_NAMES,
  parts = ['rebuild', 'relay'],
  say,
}: HistoryOptions): Promise<Measurement[]> {
  const backbone = await startBackbone({ postgres: true, ownBroker: true, ownEventStore: true });
  const store = EventStore.connect(backbone.eventStoreUrl);
  try {
    const written = await fill(store, events, say);
    const results: Measurement[] = [];
    if (parts.includes('rebuild')) {
      results.push(...(await rebuild(store, backbone.eventStoreUrl, backbone.readModelsUrl, names)));
    }
    if (parts.includes('relay')) {
      const nats = await connectNats(backbone.natsUrl, 'bench');
      results.push(await relay(nats, store, backbone.eventStoreUrl, written));
      await nats.close();
    }
    return results;
  } finally {
    await store.close();
    await backbone.close();
  }
}
