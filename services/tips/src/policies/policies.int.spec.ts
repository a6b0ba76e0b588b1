import { randomUUID } from 'node:crypto';
import { type SharedCommandName, sharedCommandSubject } from '@oo/contracts';
import { requestJson } from '@oo/event-sourcing';
import { hostConfig, type RunningService, startService } from '@oo/service-host';
import { type Backbone, startBackbone } from '@oo/service-host/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PoliciesModule } from './policies.module.js';

let backbone: Backbone;
let service: RunningService;
beforeAll(async () => {
  backbone = await startBackbone();
  service = await startService(
    { name: 'policies', config: hostConfig, modules: [PoliciesModule] },
    backbone.environment,
  );
});
afterAll(async () => {
  await service?.close();
  await backbone?.close();
});

it('records priors once under their version, and every judgement, in streams that are nobody’s', async () => {
  const at = '2026-03-02T08:00:00Z';
  const send = (name: SharedCommandName, fields: Record<string, unknown>) => {
    const id = randomUUID();
    const context = {
      commandId: id,
      correlationId: id,
      causationId: id,
      producer: 'gate',
      occurredAt: at,
      receivedAt: at,
    };
    return requestJson(service.parts.nats, sharedCommandSubject(name), { context, ...fields }, 20_000);
  };
  const version = `people.${randomUUID().slice(0, 8)}`;
  const prior = {
    version,
    features: 'v2',
    digest: 'ab'.repeat(32),
    parameters: '{}',
    people: 6,
    outcomes: 60,
  };
  expect(await send('PublishPrior', { prior })).toMatchObject({ recorded: { stream: 'priors' } });
  expect(await send('PublishPrior', { prior })).toMatchObject({ recorded: { stream: 'priors' } });
  const other = { ...prior, digest: 'cd'.repeat(32) };
  expect(await send('PublishPrior', { prior: other })).toMatchObject({ problem: { status: 409 } });
  const judgement = {
    policy: 'learned',
    policyVersion: 'v1',
    priorVersion: version,
    reason: 'worse',
    low: -0.2,
  };
  expect(await send('JudgePolicy', { judgement })).toMatchObject({ recorded: { stream: 'policies' } });
  const priors = await service.parts.eventStore.readLast('priors', 10);
  expect(priors.filter(({ data }) => JSON.stringify(data).includes(version))).toHaveLength(1);
  const [last] = await service.parts.eventStore.readLast('policies', 1);
  expect(last).toMatchObject({ type: 'PolicyJudged', data: judgement });
});
