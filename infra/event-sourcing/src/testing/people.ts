import { randomBytes, randomUUID } from 'node:crypto';
import { EventStoreDBClient } from '@eventstore/db-client';
import {
  type CommandId,
  type DomainEvent,
  EVENTS,
  eventIdOf,
  type Instant,
  newUserId,
  PERSON_CATEGORIES,
  streamOf,
  type TenantId,
  tenantId,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import { EMPTY, type EventStore, type NewEvent } from '../event-store/event-store.js';

/** Deletes a stream for good, as whoever erases a person does; what it held is gone after the next scavenge. */
export async function deleteForGood(store: EventStore, stream: string): Promise<void> {
  const client = EventStoreDBClient.connectionString(store.url);
  try {
    await client.tombstoneStream(stream);
  } finally {
    await client.dispose();
  }
}

/** A person whom no other test has. */
export const someone = (tenant: TenantId = tenantId('home')): UserId => newUserId(tenant, randomBytes(16));

/**
 * Appends events of one category to a person's stream, past every handler, each as if it came of a command of its own.
 * @returns their ids
 */
export async function appendDirectly(
  store: EventStore,
  user: UserId,
  events: readonly DomainEvent[],
  at: Instant,
): Promise<string[]> {
  const categories = new Set(events.map(({ type }) => EVENTS[type].category));
  const category = PERSON_CATEGORIES.find((name) => categories.has(name));
  if (category === undefined || categories.size > 1) {
    throw new RangeError(`events of one category of a person, not of ${[...categories].join(', ')}`);
  }
  const stream = streamOf(category, user);
  const [last] = await store.readLast(stream, 1);
  const fresh = events.map((event): NewEvent => {
    const commandId = randomUUID() as CommandId;
    const metadata = {
      correlationId: randomUUID(),
      causationId: commandId,
      userId: user,
      tenantId: tenantOf(user),
      producer: 'test',
      occurredAt: at,
      recordedAt: at,
      commandId,
    };
    return { id: eventIdOf(commandId, 0, ''), event, metadata };
  });
  await store.append(stream, last?.revision ?? EMPTY, fresh);
  return fresh.map(({ id }) => id);
}
