import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventStoreCommand, eventStoreUrl, eventStoreVersion } from '@oo/embedded';
import { EventStore } from '@oo/event-sourcing';
import { freePort, startChild } from '@oo/event-sourcing/testing';

/** An event store in a process of its own, as it is where oO runs, on an empty folder. */
export interface OwnStore {
  readonly url: string;
  readonly store: EventStore;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

export async function startOwnStore(): Promise<OwnStore> {
  const dataDir = await mkdtemp(join(tmpdir(), 'oo-bench-'));
  const port = await freePort();
  const answers = async () => (await eventStoreVersion(`http://127.0.0.1:${port}`)) !== undefined;
  const server = await startChild(eventStoreCommand(dataDir, port), answers);
  const url = eventStoreUrl(port);
  const store = EventStore.connect(url);
  return {
    url,
    store,
    close: async () => {
      await store.close();
      await server.kill('SIGKILL');
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
