import { cp, rm } from 'node:fs/promises';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { type DomainEvent, type Instant, tenantId } from '@oo/contracts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { AnotherPast } from '../event-store/errors.js';
import { EventStore } from '../event-store/event-store.js';
import { startTestEventStore, type TestEventStore } from '../testing/event-store-server.js';
import { appendDirectly, someone } from '../testing/people.js';
import { upsert } from './changes.js';
import { InMemoryReadModel } from './in-memory-read-model.js';
import type { LiveFeed } from './live-feed.js';
import { ALL_PARTITIONS } from './partitions.js';
import { defineProjection } from './projection.js';
import { table } from './tables.js';
import { ProjectionWorker } from './worker.js';

// A store that was put back from a backup, under a read model that has seen what came after it.

const seen = table({
  name: 'seen',
  columns: { user_id: 'text not null', position: 'bigint not null' },
  key: ['user_id', 'position'],
});
const probe = defineProjection({
  name: 'probe',
  version: 1,
  tables: [seen],
  reads: ['TaskCompleted'],
  apply: ({ metadata, position }) => [upsert(seen, { user_id: metadata.userId, position })],
});
const AT = '2026-03-02T08:00:00Z' as Instant;
const done = (ref: string): DomainEvent => ({ type: 'TaskCompleted', data: { ref } });
const SILENT: LiveFeed = { isLive: false, subscribe: () => () => undefined };

let server: TestEventStore;
let store: EventStore;
beforeAll(async () => {
  server = await startTestEventStore();
  store = EventStore.connect(server.url);
});
afterAll(async () => {
  await store?.close();
  await server?.close();
});

/** Runs a worker until it is ready, or has failed. @returns why it is not ready */
async function settled(readModel: InMemoryReadModel): Promise<string | undefined> {
  const timing = { retryMs: 10, pollMs: 10 };
  const worker = new ProjectionWorker({
    ...{ projection: probe, partitions: ALL_PARTITIONS, readModel, history: store, feed: SILENT, timing },
  });
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  await vi.waitFor(() => expect(worker.isReady || worker.failure !== undefined).toBe(true), 10_000);
  const { failure } = worker;
  stop.abort();
  await running;
  return failure;
}

async function backUp(): Promise<string> {
  await server.stop();
  const copy = `${server.dataDir}-backup`;
  await cp(server.dataDir, copy, { recursive: true });
  await server.start();
  return copy;
}

async function putBack(copy: string): Promise<void> {
  await server.stop();
  await rm(server.dataDir, { recursive: true });
  await cp(copy, server.dataDir, { recursive: true });
  await rm(copy, { recursive: true });
  await server.start();
}

it('is told from the past that was folded, also once it has grown beyond, and nothing is written', async () => {
  const user = someone(tenantId('home'));
  const readModel = new InMemoryReadModel(probe);
  await appendDirectly(store, user, [done('demo:task:1')], AT);
  const copy = await backUp();
  await appendDirectly(store, user, [done('demo:task:2'), done('demo:task:3')], AT);
  expect(await settled(readModel)).toBeUndefined();
  const folded = readModel.rows(seen);
  expect(folded).toHaveLength(3);

  await putBack(copy);
  expect(await settled(readModel)).toMatch(
    /probe is at position \d+, and the store ends at \d+\. .*oo reset --derived/,
  );

  // Longer ones, so that no event begins where one did.
  const longer = Array.from({ length: 9 }, (_, index) => done(`demo:task:of-another-past-${index}`));
  await appendDirectly(store, user, longer, AT);
  expect(await settled(readModel)).toMatch(
    /No event of the store begins at the position .*oo reset --derived/,
  );
  expect(readModel.rows(seen)).toEqual(folded);
  // Whoever follows is told, too: the relay makes its stream anew then.
  const { signal } = new AbortController();
  await expect(store.follow(folded.at(-1)?.position as bigint, () => undefined, signal)).rejects.toThrow(
    AnotherPast,
  );
  expect(await settled(new InMemoryReadModel(probe))).toBeUndefined();
});

it('has its head anew, also where what others wrote stands at its end', async () => {
  const user = someone(tenantId('home'));
  const client = EventStoreDBClient.connectionString(server.url);
  const others = () => client.appendToStream('of-somebody-else', jsonEvent({ type: 'Noted', data: {} }));
  try {
    await appendDirectly(store, user, [done('demo:task:1')], AT);
    const before = await store.head();
    await others();
    const copy = await backUp();
    await appendDirectly(store, user, [done('demo:task:2')], AT);
    await others();
    expect(await store.head()).toBeGreaterThan(before ?? 0n);

    await putBack(copy);
    expect(await store.head()).toBe(before);
  } finally {
    await client.dispose();
  }
});
