import { randomBytes, randomUUID } from 'node:crypto';
import {
  type CommandReply,
  instant,
  newUserId,
  parseInstant,
  signalCommandId,
  streamOf,
  tenantId,
  type UserId,
} from '@oo/contracts';
import { sendCommand } from '@oo/event-sourcing';
import { hostConfig, type RunningService, startService } from '@oo/service-host';
import { type Backbone, startBackbone } from '@oo/service-host/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SignalsModule } from './signals.module.js';

let backbone: Backbone;
let service: RunningService;

beforeAll(async () => {
  backbone = await startBackbone();
  service = await startService(
    { name: 'signals', config: hostConfig, modules: [SignalsModule] },
    backbone.environment,
  );
});
afterAll(async () => {
  await service?.close();
  await backbone?.close();
});

const NOW = parseInstant('2026-03-02T08:00:00Z') ?? instant(0);
const someone = (): UserId => newUserId(tenantId('home'), randomBytes(16));

function taskObserved(user: UserId, key: string, occurredAt: string = NOW) {
  return {
    context: {
      commandId: signalCommandId(user, 'demo', key),
      userId: user,
      tenantId: 'home',
      correlationId: randomUUID(),
      causationId: randomUUID(),
      producer: 'demo',
      occurredAt,
      receivedAt: NOW,
    },
    idempotencyKey: key,
    taskObserved: { ref: 'demo:task:1', priority: 'PRIORITY_HIGH' },
  };
}
const send = (user: UserId, command: unknown): Promise<CommandReply> =>
  sendCommand(service.parts.nats, 'RecordSignal', user, command);

describe('RecordSignal over NATS', () => {
  it('appends one event with its metadata, and answers where it stands', async () => {
    const user = someone();
    const command = taskObserved(user, 'k1');
    const reply = await send(user, command);
    const [event, ...others] = await service.parts.eventStore.readLast(streamOf('signals', user), 10);
    expect(others).toEqual([]);
    expect(reply.result).toEqual({
      $case: 'recorded',
      recorded: {
        stream: streamOf('signals', user),
        revision: 0n,
        position: event?.position,
        eventIds: [event?.id],
        duplicate: false,
      },
    });
    expect(event).toMatchObject({
      type: 'TaskObserved',
      data: { ref: 'demo:task:1', state: 'TASK_STATE_OPEN', priority: 'PRIORITY_HIGH' },
      metadata: { commandId: command.context.commandId, userId: user, schemaVersion: 2, recordedAt: NOW },
    });
  });

  it('answers a retry alike and appends nothing, also after others and in another process', async () => {
    const user = someone();
    const first = await send(user, taskObserved(user, 'k1'));
    await send(user, taskObserved(user, 'k2'));
    const again = await send(user, taskObserved(user, 'k1'));
    expect(again.result).toEqual({
      $case: 'recorded',
      recorded: { ...(first.result?.$case === 'recorded' ? first.result.recorded : {}), duplicate: true },
    });
    const other = await startService(
      { name: 'signals', config: hostConfig, modules: [SignalsModule] },
      backbone.environment,
    );
    await service.close();
    service = other;
    expect((await send(user, taskObserved(user, 'k1'))).result).toEqual(again.result);
    expect(await service.parts.eventStore.readLast(streamOf('signals', user), 10)).toHaveLength(2);
  });

  it('refuses another signal under a key that is recorded, and takes the same one again', async () => {
    const user = someone();
    const first = taskObserved(user, 'k1');
    await send(user, first);
    const other = await send(user, { ...first, taskObserved: { ref: 'demo:task:2' } });
    expect(other.result).toMatchObject({
      problem: {
        type: 'urn:oo:problem:idempotency-key-reused',
        status: 422,
        errors: [{ field: 'idempotencyKey' }],
      },
    });
    const later = await send(user, taskObserved(user, 'k1', '2026-03-02T07:59:00Z'));
    expect(later.result).toMatchObject({ recorded: { revision: 0n, duplicate: true } });
    expect(await service.parts.eventStore.readLast(streamOf('signals', user), 10)).toHaveLength(1);
  });

  it('refuses what is wrong with a problem that names the field, and stores nothing', async () => {
    const user = someone();
    const good = taskObserved(user, 'k');
    const wrong: [unknown, string, string][] = [
      [taskObserved(user, 'k', '2026-03-02T08:05:01Z'), 'from-the-future', 'occurredAt'],
      [{ ...good, surprise: 1 }, 'invalid-input', 'surprise'],
      [{ ...good, taskObserved: { ref: 'buy milk' } }, 'invalid-input', 'taskObserved.ref'],
      [{ ...good, taskCompleted: { ref: 'demo:task:1' } }, 'invalid-input', 'taskCompleted'],
      [{ ...good, idempotencyKey: 'other' }, 'invalid-input', 'context.commandId'],
      [{ ...good, context: { ...good.context, tenantId: 'work' } }, 'invalid-input', 'context.tenantId'],
    ];
    for (const [command, kind, field] of wrong) {
      const { result } = await send(user, command);
      expect(result).toMatchObject({
        $case: 'problem',
        problem: { type: `urn:oo:problem:${kind}`, errors: [{ field }] },
      });
    }
    const malformed = await service.parts.nats.request('oo.cmd.signals.RecordSignal.1', '{"context":');
    expect(malformed.json()).toMatchObject({ problem: { type: 'urn:oo:problem:malformed-json' } });
    expect(await service.parts.eventStore.readLast(streamOf('signals', user), 10)).toEqual([]);
  });

  it('records what many send at the same time once each', async () => {
    const user = someone();
    const keys = Array.from({ length: 50 }, (_, index) => `k${index % 25}`);
    const replies = await Promise.all(keys.map((key) => send(user, taskObserved(user, key))));
    expect(replies.every(({ result }) => result?.$case === 'recorded')).toBe(true);
    const events = await service.parts.eventStore.readLast(streamOf('signals', user), 100);
    expect(events).toHaveLength(25);
    expect(new Set(events.map(({ id }) => id)).size).toBe(25);
  });
});
