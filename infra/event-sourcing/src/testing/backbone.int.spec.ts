import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EventStore } from '../event-store/event-store.js';
import { connectNats } from '../messaging/connect.js';
import { type Backbone, startBackbone } from './backbone.js';

let backbone: Backbone;
beforeAll(async () => {
  backbone = await startBackbone({ postgres: true, ownBroker: true, ownEventStore: true });
});
afterAll(() => backbone?.close());

it('brings servers that answer, and answer again after they were killed', async () => {
  const store = EventStore.connect(backbone.eventStoreUrl);
  const nats = await connectNats(backbone.natsUrl, 'test');
  expect(await store.head()).toBeUndefined();
  await backbone.nats?.kill();
  await backbone.eventStore?.stop();
  await expect(store.head()).rejects.toThrow('does not answer');
  await backbone.eventStore?.start();
  await backbone.nats?.start();
  expect(await store.head()).toBeUndefined();
  const again = await connectNats(backbone.natsUrl, 'test');
  await again.flush();
  await Promise.all([nats.close(), again.close()]);
  await store.close();

  const sql = postgres(backbone.readModelsUrl, { max: 1 });
  expect(await sql`select count(*)::int as tables from pg_tables where schemaname = 'public'`).toEqual([
    { tables: 0 },
  ]);
  await sql.end();
});
