import { edge, newUserId, tenantId, type UserId } from '@oo/contracts';
import { expect, it } from 'vitest';
import { isRetry } from './signals.js';

const user: UserId = newUserId(tenantId('home'), new Uint8Array(16));
const id = '0b9f1f5e-6a55-4c5b-9f42-8a5bd1f7d0aa';
const NOW = '2026-03-02T08:00:00Z';

const observed = (taskObserved: Record<string, unknown>) =>
  edge.commands.RecordSignal.parse({
    context: {
      commandId: id,
      userId: user,
      tenantId: 'home',
      correlationId: id,
      causationId: id,
      producer: 'demo',
      occurredAt: NOW,
      receivedAt: NOW,
    },
    idempotencyKey: 'k',
    taskObserved,
  });
const recordedAs = (schemaVersion: number, data: unknown) => ({
  type: 'TaskObserved',
  data,
  metadata: {
    $correlationId: id,
    $causationId: id,
    userId: user,
    tenantId: 'home',
    schemaVersion,
    producer: 'demo',
    occurredAt: NOW,
    recordedAt: NOW,
    commandId: id,
  },
});

it('knows a retry of a signal that was recorded in an older version', () => {
  const old = recordedAs(1, { ref: 'demo:task:1', dueDate: '2026-03-05', urgency: 4 });
  const again = { ref: 'demo:task:1', state: 'TASK_STATE_OPEN', priority: 'PRIORITY_HIGH' };
  expect(isRetry(observed({ ...again, dueAt: '2026-03-05T23:59:59Z' }), old)).toBe(true);
  expect(isRetry(observed({ ...again, dueAt: '2026-03-06T23:59:59Z' }), old)).toBe(false);
});
