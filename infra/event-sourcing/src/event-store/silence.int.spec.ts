import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EventStoreUnavailable } from './errors.js';
import { EventStore } from './event-store.js';

// A store that takes connections and says nothing at all, as behind a client that has lost its call.
const sockets = new Set<Socket>();
const server = createServer((socket) => {
  sockets.add(socket);
  socket.on('error', () => undefined);
});
let store: EventStore;

beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  store = EventStore.connect(`esdb://127.0.0.1:${port}?tls=false&keepAliveInterval=-1`);
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
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
