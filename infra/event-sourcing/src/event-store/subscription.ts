import { EventStoreDBClient, START, streamNameFilter } from '@eventstore/db-client';
import { streamPrefixes } from '@oo/contracts';
import { isOurs, quiet } from './event-store.js';
import { type StoredEvent, storedEvent } from './stored-event.js';

/**
 * Follows `$all`, filtered to oO's streams, in the order of the store, from behind `after` on, until `signal` is
 * aborted or the subscription breaks: then it throws, and the caller follows again from where it stands. Has a
 * connection of its own.
 * @param after position of the last event that the caller has handled; undefined starts at the beginning
 * @param handle slow hands slow the reading down: the next event comes when the promise is fulfilled
 */
export async function followAll(
  url: string,
  after: bigint | undefined,
  handle: (event: StoredEvent) => void | Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const client = EventStoreDBClient.connectionString(url);
  const subscription = quiet(
    client.subscribeToAll({
      fromPosition: after === undefined ? START : { commit: after, prepare: after },
      filter: streamNameFilter({ prefixes: streamPrefixes() }),
    }),
  );
  const stop = () => subscription.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    for await (const { event } of subscription) {
      if (event === undefined) continue;
      const stored = storedEvent(event);
      if (!isOurs(stored)) continue;
      const handled = handle(stored);
      if (handled !== undefined) await handled;
    }
    throw new Error('the event store ended the subscription');
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    await subscription.unsubscribe().catch(() => {});
    await client.dispose();
  }
}
