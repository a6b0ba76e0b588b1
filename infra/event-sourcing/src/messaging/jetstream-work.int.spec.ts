import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { freePort, limitsMemory, natsProcess, natsUrl, Supervisor } from '@oo/embedded';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startNatsServer, type TestNatsServer } from '../testing/nats-server.js';
import { connectNats } from './connect.js';
import { JetStreamWork } from './jetstream-work.js';
import { STREAMS } from './streams.js';
import { ACK_WAIT_MS, Worker, type WorkMessage, type WorkQueue } from './work-queue.js';

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

/** The broker's files whose path ends so. */
function files(path: RegExp, folder = server.dataDir): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name, parentPath }) => join(parentPath, name))
    .filter((file) => path.test(file));
  expect(found.length).toBeGreaterThan(0);
  return found;
}

function damage(path: RegExp, bytesOf: (bytes: Buffer) => Buffer): void {
  for (const file of files(path)) writeFileSync(file, bytesOf(readFileSync(file)));
}

const SUBJECT = STREAMS.proposals.subjects[0].replace('>', 'somebody');

const queueOf = (handle: WorkQueue['handle']): WorkQueue => ({
  stream: STREAMS.proposals,
  durable: 'tips',
  lane: () => 'one',
  handle,
});

const workerOf = (connection: NatsConnection, handle: WorkQueue['handle']) =>
  new Worker(
    new JetStreamWork(connection),
    queueOf(handle),
    () => false,
    () => undefined,
  );

const textOf = ({ data }: WorkMessage) => new TextDecoder().decode(data);

it('leaves a message with who has it, however long it takes, and gives it to another within seconds after a crash', async () => {
  const stop = new AbortController();
  const doomed = await connectNats(server.url, 'doomed');
  const started: string[] = [];
  const never = workerOf(doomed, (message) => {
    started.push(textOf(message));
    return new Promise<void>(() => undefined);
  });
  const end = new AbortController();
  void never.run(end.signal);
  await expect.poll(() => never.isFollowing).toBe(true);
  for (const body of ['in work', 'waits in its lane']) await jetstream(nats).publish(SUBJECT, body);
  await expect.poll(() => started).toEqual(['in work']);

  const handled: string[] = [];
  const other = workerOf(nats, async (message) => void handled.push(textOf(message)));
  const running = other.run(stop.signal);
  await new Promise((resolve) => setTimeout(resolve, 2 * ACK_WAIT_MS));
  expect(handled).toEqual([]);

  await doomed.close();
  end.abort();
  await expect.poll(() => handled, { timeout: ACK_WAIT_MS + 3_000 }).toHaveLength(2);
  expect(new Set(handled)).toEqual(new Set(['in work', 'waits in its lane']));
  expect(started).toEqual(['in work']);
  stop.abort();
  await running;
}, 60_000);

it.each([
  [
    'cannot read what it kept of the consumer, and makes none of its name any more',
    () => damage(/obs\/tips\/o\.dat$/, () => Buffer.alloc(40, 0x7b)),
  ],
  [
    'cannot read what the consumer is to be, and takes the stream offline',
    () =>
      damage(/obs\/tips\/meta\.inf$/, (bytes) =>
        Buffer.from(bytes.toString('latin1').replace('"ack_wait"', '"ack_wXit"'), 'latin1'),
      ),
  ],
  [
    'has lost the stream, and has a new consumer go on where the old one was',
    () => {
      damage(/OO_PROPOSALS\/meta\.inf$/, (bytes) => bytes.fill('X', 20, 21));
      for (const file of files(/OO_PROPOSALS\/msgs\//)) rmSync(file);
    },
  ],
])(
  'works on when the broker %s',
  async (_, harm) => {
    const handled: string[] = [];
    const stop = new AbortController();
    const worker = workerOf(nats, async (message) => void handled.push(textOf(message)));
    const running = worker.run(stop.signal);
    const arrives = (body: string) =>
      expect
        .poll(
          async () => {
            // What was published into a stream that is gone is published again, as those do who publish here.
            if (!handled.includes(body))
              await jetstream(nats)
                .publish(SUBJECT, body, { timeout: 1_000 })
                .catch(() => undefined);
            return handled;
          },
          { timeout: 30_000, interval: 1_000 },
        )
        .toContain(body);
    await arrives('first');
    // More than are sent again below: a consumer that goes on where it was hears none of those.
    for (let count = 0; count < 60; count++) await jetstream(nats).publish(SUBJECT, 'another');
    await expect.poll(() => handled.length, { timeout: 10_000 }).toBeGreaterThan(60);
    // Where a consumer is, the broker notes a moment later.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await server.kill();
    harm();
    await server.start();
    await arrives('after');
    stop.abort();
    await running;
  },
  60_000,
);

/** Of a chaos run: what a consumer has kept, with bytes of another kind in it. It reads that 34 billion messages wait. */
const GREEDY = Buffer.from('16025c5b5ebb4db7969cf27e4d42f857295710', 'hex');

// Without a limit it does to the machine what it did to ours.
it.skipIf(!limitsMemory()).each([
  ['starts with it', () => undefined],
  [
    'makes a stream anew above it',
    (dataDir: string) => {
      for (const file of files(/OO_PROPOSALS\/meta\.sum$/, dataDir)) writeFileSync(file, 'd78xc45$1cb9f5fd');
    },
  ],
])(
  'works on when the broker would take all memory for what it kept of a consumer, as soon as it %s',
  async (_, harmMore) => {
    const folder = mkdtempSync(join(tmpdir(), 'oo-greedy-'));
    const said: string[] = [];
    const supervisor = new Supervisor(join(folder, 'logs'), {
      onCrash: (name, how) => said.push(`${name} ended (${how})`),
      onMend: (name, what) => said.push(`${name}: ${what}`),
      onChange: () => undefined,
    });
    const options = { dataDir: join(folder, 'nats'), port: await freePort(), token: 'test' };
    const stop = new AbortController();
    let connection: NatsConnection | undefined;
    let running: Promise<void> | undefined;
    try {
      await supervisor.start(natsProcess(options));
      connection = await connectNats(natsUrl(options), 'test');
      const js = jetstream(connection);
      const handled: string[] = [];
      const worker = workerOf(connection, async (message) => void handled.push(textOf(message)));
      running = worker.run(stop.signal);
      const arrives = (body: string) =>
        expect
          .poll(
            async () => {
              if (!handled.includes(body))
                await js.publish(SUBJECT, body, { timeout: 1_000 }).catch(() => undefined);
              return handled;
            },
            { timeout: 90_000, interval: 1_000 },
          )
          .toContain(body);
      await arrives('first');
      const pid = supervisor.processes[0]?.pid ?? 0;
      process.kill(pid, 'SIGSTOP');
      for (const file of files(/obs\/tips\/o\.dat$/, options.dataDir)) writeFileSync(file, GREEDY);
      harmMore(options.dataDir);
      process.kill(pid, 'SIGKILL');
      await arrives('after');
      expect(said.filter((line) => line.includes('is deleted'))).toHaveLength(1);
    } finally {
      stop.abort();
      await running;
      await connection?.close();
      await supervisor.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  120_000,
);
