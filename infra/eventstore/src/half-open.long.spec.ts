import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { expect, it } from 'vitest';
import { startEventStore } from './server.js';
import { connect, disconnect } from './testing/client.js';

/** Passes bytes on until it is told to swallow them, as a network does whose other end is gone. */
async function deafProxy(target: number): Promise<{ port: number; goDeaf: () => void; close: () => void }> {
  const sockets: net.Socket[] = [];
  const server = net.createServer((near) => {
    const far = net.connect(target, '127.0.0.1');
    near.pipe(far);
    far.pipe(near);
    for (const socket of [near, far]) {
      socket.on('error', () => {});
      sockets.push(socket);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    goDeaf: () => {
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

it('ends the calls of a peer that is gone without a word, and connections that never said one', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'eventstore-half-open-'));
  const server = await startEventStore({ dataDir: folder, port: 0, report: () => {} });
  const counts = async (): Promise<{ subscriptions: number; connections: number }> => {
    const response = await fetch(`http://127.0.0.1:${server.port}/stats`, {
      headers: { connection: 'close' },
    });
    const text = await response.text();
    const count = (name: string): number => Number(new RegExp(`"${name}":(\\d+)`).exec(text)?.[1]);
    return { subscriptions: count('subscriptions'), connections: count('connections') };
  };
  const proxy = await deafProxy(server.port);
  const gone = connect(proxy.port);
  const silent = net.connect(server.port, '127.0.0.1');
  silent.on('error', () => {});
  try {
    const subscription = gone.subscribeToStream('s', { fromRevision: 'end' });
    subscription.on('error', () => {});
    await new Promise((resolve) => subscription.once('confirmation', resolve));
    expect((await counts()).subscriptions).toBe(1);
    proxy.goDeaf();
    await expect.poll(async () => (await counts()).subscriptions, { timeout: 120_000 }).toBe(0);
    // What is left is the connection that asks.
    await expect.poll(async () => (await counts()).connections, { timeout: 120_000 }).toBeLessThanOrEqual(1);
  } finally {
    proxy.close();
    silent.destroy();
    await disconnect(gone).catch(() => {});
    await server.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);
