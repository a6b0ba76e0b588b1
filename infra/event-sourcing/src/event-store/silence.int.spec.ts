import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTcpServer, type TcpServer } from '../testing/tcp.js';
import { EventStoreUnavailable } from './errors.js';
import { EventStore } from './event-store.js';

// A store that takes connections and says nothing at all, as behind a client that has lost its call.
let server: TcpServer;
let store: EventStore;

beforeEach(async () => {
  server = await startTcpServer(() => undefined);
  store = EventStore.connect(`esdb://127.0.0.1:${server.port}?tls=false&keepAliveInterval=-1`);
});

afterEach(async () => {
  await server.close();
  await store.close();
});

it('is not waited for for ever, whatever is read', async () => {
  const reads = [
    store.readLast('signals-nobody', 1),
    store.head(),
    store.readAll()[Symbol.asyncIterator]().next(),
    store.readStream('signals-nobody')[Symbol.asyncIterator]().next(),
  ];
  for (const read of await Promise.allSettled(reads)) {
    expect(read.status === 'rejected' && read.reason).toBeInstanceOf(EventStoreUnavailable);
  }
}, 20_000);
