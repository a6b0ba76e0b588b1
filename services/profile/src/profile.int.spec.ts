import { randomUUID } from 'node:crypto';
import { type CommandName, streamOf } from '@oo/contracts';
import { sendCommand } from '@oo/event-sourcing';
import { hostConfig, type RunningService, startService } from '@oo/service-host';
import { type Backbone, someone, startBackbone } from '@oo/service-host/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ProfileModule } from './profile.module.js';

let backbone: Backbone;
let service: RunningService;
beforeAll(async () => {
  backbone = await startBackbone();
  service = await startService(
    { name: 'profile', config: hostConfig, modules: [ProfileModule] },
    backbone.environment,
  );
});
afterAll(async () => {
  await service?.close();
  await backbone?.close();
});

it('takes its commands over NATS', async () => {
  const user = someone();
  const send = async (name: CommandName, fields: Record<string, unknown>) => {
    const at = '2026-03-02T08:00:00Z';
    const context = {
      commandId: randomUUID(),
      userId: user,
      tenantId: 'home',
      correlationId: randomUUID(),
      causationId: randomUUID(),
      producer: 'page',
      occurredAt: at,
      receivedAt: at,
    };
    const { result } = await sendCommand(service.parts.nats, name, user, { context, ...fields });
    return result?.$case === 'problem' ? result.problem.status : result?.$case;
  };
  const consent = { scope: 'CONSENT_SCOPE_TIPS', termsVersion: 'v1' };
  expect(await send('GrantConsent', consent)).toBe(404);
  expect(await send('RegisterUser', { utcOffsetMinutes: 60 })).toBe('recorded');
  expect(await send('GrantConsent', consent)).toBe('recorded');
  expect(await send('ChangePreferences', { preferences: { dailyBudget: 2 } })).toBe('recorded');
  expect(await send('ChangePreferences', { preferences: { dailyBudget: 101 } })).toBe(400);
  expect(await send('WithdrawConsent', { scope: 'CONSENT_SCOPE_TIPS' })).toBe('recorded');
  const events = await service.parts.eventStore.readLast(streamOf('user', user), 10);
  expect(events.map(({ type }) => type)).toEqual([
    'UserRegistered',
    'ConsentGranted',
    'PreferencesChanged',
    'ConsentWithdrawn',
  ]);
});
