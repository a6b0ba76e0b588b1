import { EventStoreDBClient, START, streamNameFilter } from '@eventstore/db-client';
import { streamPrefixes } from '@oo/contracts';
import { quiet } from './quiet.js';
import { isOurs, type StoredEvent, storedEvent } from './stored-event.js';

/** {@link EventStore.follow}, over a connection of its own that is filtered to oO's streams by the server. */
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
