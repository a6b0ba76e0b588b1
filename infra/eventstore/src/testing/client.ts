import { createRequire } from 'node:module';
import type * as DbClient from '@eventstore/db-client';

/** The official client. It is CommonJS and its exports are not seen by an ES module's named imports. */
export const db: typeof DbClient = createRequire(import.meta.url)('@eventstore/db-client');

export type Client = InstanceType<typeof DbClient.EventStoreDBClient>;

export function connect(port: number, options = 'tls=false'): Client {
  return db.EventStoreDBClient.connectionString(`esdb://127.0.0.1:${port}?${options}`);
}

/** Ends a client with its connection, so that a server need not wait for it. */
export async function disconnect(client: Client): Promise<void> {
  await client.dispose();
}

export async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}
