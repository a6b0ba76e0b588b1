import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startNatsServer, type TestNatsServer } from '../testing/nats-server.js';
import { connectNats } from './connect.js';
import { JetStreamWork } from './jetstream-work.js';
import { STREAMS } from './streams.js';
import { Worker, type WorkQueue } from './work-queue.js';

let server: TestNatsServer;
let nats: NatsConnection;
beforeEach(async () => {
  server = await startNatsServer();
  nats = await connectNats(server.url, 'test');
});
afterEach(async () => {
  await nats?.close();
  await server?.close();
});

function filesOfConsumer(called: string): string[] {
  return readdirSync(server.dataDir, { recursive: true, withFileTypes: true })
    .filter(({ name, parentPath }) => name === called && parentPath.includes('/obs/'))
    .map(({ name, parentPath }) => join(parentPath, name));
}

it.each([
  ['makes none of its name any more', 'o.dat', () => Buffer.alloc(40, 0x7b)],
  [
    'takes the stream offline',
    'meta.inf',
    (bytes: Buffer) => Buffer.from(bytes.toString('latin1').replace('"ack_wait"', '"ack_wXit"'), 'latin1'),
  ],
])(
  'works on when the broker cannot read what it kept of the consumer, and %s',
  async (_, name, damaged) => {
    const handled: string[] = [];
    const queue: WorkQueue = {
      stream: STREAMS.proposals,
      durable: 'tips',
      lane: () => 'one',
      handle: async (message) => void handled.push(new TextDecoder().decode(message.data)),
    };
    const subject = STREAMS.proposals.subjects[0].replace('>', 'somebody');
    const stop = new AbortController();
    const worker = new Worker(
      new JetStreamWork(nats),
      queue,
      () => false,
      () => undefined,
    );
    const running = worker.run(stop.signal);
    const arrives = (body: string) =>
      expect
        .poll(
          async () => {
            // What was published into a stream that is gone is published again, as those do who publish here.
            if (!handled.includes(body))
              await jetstream(nats)
                .publish(subject, body, { timeout: 1_000 })
                .catch(() => undefined);
            return handled;
          },
          { timeout: 30_000, interval: 500 },
        )
        .toContain(body);
    await arrives('before');
    await server.kill();
    const files = filesOfConsumer(name);
    expect(files.length).toBe(1);
    for (const file of files) writeFileSync(file, damaged(readFileSync(file)));
    await server.start();
    await arrives('after');
    stop.abort();
    await running;
  },
  60_000,
);
