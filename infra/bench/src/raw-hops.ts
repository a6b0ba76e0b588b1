import { randomUUID } from 'node:crypto';
import { createServer, get, type ServerResponse } from 'node:http';
import { ANY, BACKWARDS, END, EventStoreDBClient, jsonEvent, START } from '@eventstore/db-client';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import postgres from 'postgres';
import { latencies, percentile } from './measurement.js';

const SAMPLES = 300;

/** Milliseconds that each hop takes by itself: a share `p` of the samples lies below. */
export interface Hops {
  readonly http: number;
  readonly nats: number;
  /** From an append to its arrival at a live subscriber. */
  readonly store: number;
  /** The end of a stream, read. */
  readonly read: number;
  /** From a publication to its arrival at a consumer. */
  readonly jetstream: number;
  readonly commit: number;
  readonly query: number;
  /** From a write to its arrival as a server-sent event. */
  readonly sse: number;
}

/** Measures every hop between a signal and the page alone, with the clients that oO uses and nothing around them. */
export async function rawHops(
  nats: NatsConnection,
  eventStoreUrl: string,
  readModelsUrl: string,
): Promise<(p: number) => Hops> {
  const samples = {
    http: await httpHop(),
    nats: await latencies(SAMPLES, () => nats.request('bench.echo', '{}', { timeout: 5000 })),
    ...(await storeHops(eventStoreUrl)),
    jetstream: await jetstreamHop(nats),
    ...(await sqlHops(readModelsUrl)),
    sse: await sseHop(),
  };
  return (p) => ({
    http: percentile(samples.http, p),
    nats: percentile(samples.nats, p),
    store: percentile(samples.store, p),
    read: percentile(samples.read, p),
    jetstream: percentile(samples.jetstream, p),
    commit: percentile(samples.commit, p),
    query: percentile(samples.query, p),
    sse: percentile(samples.sse, p),
  });
}

/** Waits for arrivals by key. */
class Arrivals {
  private readonly waiting = new Map<string, () => void>();

  arrived(key: string): void {
    this.waiting.get(key)?.();
    this.waiting.delete(key);
  }

  of(key: string): Promise<void> {
    return new Promise((resolve) => this.waiting.set(key, resolve));
  }
}

async function listening(
  answer: (response: ServerResponse) => void,
): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => answer(response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function httpHop(): Promise<number[]> {
  const { url, close } = await listening((response) => response.end('{}'));
  try {
    return await latencies(SAMPLES, async () => (await fetch(url, { method: 'POST', body: '{}' })).text());
  } finally {
    close();
  }
}

async function sseHop(): Promise<number[]> {
  const streams: ServerResponse[] = [];
  const { url, close } = await listening((response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(': open\n\n');
    streams.push(response);
  });
  const arrivals = new Arrivals();
  const opened = arrivals.of(': open');
  get(url, (response) => {
    response.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n\n')) arrivals.arrived(line.replace('data: ', ''));
    });
  });
  await opened;
  try {
    return await latencies(SAMPLES, () => {
      const key = randomUUID();
      const arrived = arrivals.of(key);
      streams[0]?.write(`data: ${key}\n\n`);
      return arrived;
    });
  } finally {
    close();
  }
}

async function storeHops(url: string): Promise<{ store: number[]; read: number[] }> {
  const store = EventStoreDBClient.connectionString(url);
  const stream = `bench-hop${randomUUID()}`;
  const arrivals = new Arrivals();
  await store.appendToStream(stream, jsonEvent({ id: randomUUID(), type: 'BenchEvent', data: {} }), {
    expectedRevision: ANY,
  });
  const subscription = store.subscribeToStream(stream, { fromRevision: START });
  subscription.on('data', ({ event }) => {
    if (event !== undefined) arrivals.arrived(event.id);
  });
  subscription.on('error', () => undefined);
  try {
    const live = await latencies(SAMPLES, async () => {
      const id = randomUUID();
      const arrived = arrivals.of(id);
      await store.appendToStream(stream, jsonEvent({ id, type: 'BenchEvent', data: {} }), {
        expectedRevision: ANY,
      });
      await arrived;
    });
    const read = await latencies(SAMPLES, async () => {
      const end = store.readStream(stream, { direction: BACKWARDS, fromRevision: END, maxCount: 1 });
      for await (const { event } of end) if (event === undefined) throw new Error('an empty read');
    });
    return { store: live, read };
  } finally {
    await subscription.unsubscribe();
    await store.dispose();
  }
}

async function jetstreamHop(nats: NatsConnection): Promise<number[]> {
  const manager = await jetstreamManager(nats);
  const stream = 'BENCH';
  await manager.streams.add({ name: stream, subjects: ['bench.hop'], max_bytes: 64 * 1024 * 1024 });
  const js = jetstream(nats);
  const consumer = await js.consumers.get(stream, { deliver_policy: 'new' });
  const arrivals = new Arrivals();
  const messages = await consumer.consume({ callback: (message) => arrivals.arrived(message.string()) });
  try {
    return await latencies(SAMPLES, async () => {
      const key = randomUUID();
      const arrived = arrivals.of(key);
      await js.publish('bench.hop', key);
      await arrived;
    });
  } finally {
    messages.stop();
    await manager.streams.delete(stream);
  }
}

async function sqlHops(url: string): Promise<{ commit: number[]; query: number[] }> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await sql`create table if not exists bench_hop (key int primary key, value text)`;
    const commit = await latencies(SAMPLES, (index) =>
      sql.begin((transaction) => [
        transaction`insert into bench_hop values (${index}, 'x') on conflict (key) do update set value = 'y'`,
      ]),
    );
    const query = await latencies(SAMPLES, (index) => sql`select value from bench_hop where key = ${index}`);
    await sql`drop table bench_hop`;
    return { commit, query };
  } finally {
    await sql.end({ timeout: 1 });
  }
}
