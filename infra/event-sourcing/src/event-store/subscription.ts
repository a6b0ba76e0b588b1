import { EventStoreDBClient } from '@eventstore/db-client';
import { streamPrefixes } from '@oo/contracts';
import { readEvents, subscriptionToAll } from './all.js';
import { anotherPastBecause } from './errors.js';
import { isOurs, type StoredEvent } from './stored-event.js';

/**
 * {@link EventStore.follow}, over a connection of its own that is filtered to oO's streams by the server.
 * @throws AnotherPast where no event of the store begins at `after`
 */
export async function followAll(
  url: string,
  after: bigint | undefined,
  handle: (event: StoredEvent) => void | Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const client = EventStoreDBClient.connectionString(url);
  const subscription = subscriptionToAll(after ?? 'start', streamPrefixes());
  try {
    signal.throwIfAborted();
    for await (const event of readEvents(client, subscription, signal)) {
      if (!isOurs(event)) continue;
      const handled = handle(event);
      if (handled !== undefined) await handled;
    }
    throw new Error('the event store ended the subscription');
  } catch (error) {
    if (!signal.aborted) throw anotherPastBecause(error) ?? error;
  } finally {
    await client.dispose();
  }
}
