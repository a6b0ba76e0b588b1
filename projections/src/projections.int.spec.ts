import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { type DomainEvent, EVENTS_STREAM, newUserId, tenantId, type UserId } from '@oo/contracts';
import { connectNats, EventStore, followAll } from '@oo/event-sourcing';
import { type Backbone, startBackbone } from '@oo/service-host/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

let backbone: Backbone;
beforeAll(async () => {
  backbone = await startBackbone({ postgres: true, ownBroker: true, ownEventStore: true });
});
afterAll(() => backbone?.close());
it('x', async () => {
  expect(1).toBe(1);
});
