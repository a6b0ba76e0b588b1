import { newUserId, QUERIES, tenantId } from '@oo/contracts';
import { requestJson } from '@oo/event-sourcing';
import { ConfigError, hostConfig, type RunningService, startService } from '@oo/service-host';
import { type Backbone, startBackbone } from '@oo/service-host/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { IntegrationsModule } from './integrations.module.js';
import { type RecordedProvider, serveRecorded } from './providers/recorded-provider.js';

const USER = newUserId(tenantId('home'), new Uint8Array(16).fill(5));
const TASK = {
  id: 't1',
  title: 'Call Mum back',
  notes: 'The number is on the fridge.',
  priority: 'high',
  createdAt: '2026-01-01T00:00:00Z',
};

let backbone: Backbone;
let provider: RecordedProvider;
let service: RunningService;

const start = () =>
  startService(
    { name: 'integrations', config: hostConfig, modules: [IntegrationsModule] },
    backbone.environment,
  );
const ask = (subject: string, body: unknown) => requestJson(service.parts.nats, subject, body);

beforeAll(async () => {
  // Of its own: another integrations service would answer these questions too.
  backbone = await startBackbone({ ownBroker: true });
  provider = await serveRecorded();
  process.env.OO_DEMO_PROVIDER_URL = provider.url;
  service = await start();
});
afterEach(() => provider.answerWith(200, '{}'));
afterAll(async () => {
  await service?.close();
  await provider?.close();
  await backbone?.close();
});

describe('integrations over NATS', () => {
  it('offers references and features', async () => {
    provider.answerWith(200, JSON.stringify({ tasks: [TASK] }));
    const reply = await ask(QUERIES.candidates, { userId: USER, at: '2026-01-05T08:00:00Z' });
    expect(reply).toEqual({
      items: [{ ref: 'demo:task:t1', kind: 'TIP_KIND_TODO', priority: 'PRIORITY_HIGH' }],
    });
  });

  it('names a provider that does not answer', async () => {
    provider.answerWith(500, '{}');
    const reply = await ask(QUERIES.candidates, { userId: USER, at: '2026-01-05T08:00:00Z' });
    expect(reply).toEqual({ unreachable: ['demo'] });
  });

  it('gives the text behind a reference, and an empty one when it is gone', async () => {
    provider.answerWith(200, JSON.stringify(TASK));
    const query = { userId: USER, ref: 'demo:task:t1' };
    expect(await ask(QUERIES.text, query)).toEqual({ ref: query.ref, title: TASK.title, body: TASK.notes });
    provider.answerWith(404, '{}');
    expect(await ask(QUERIES.text, query)).toEqual({ ref: query.ref });
  });

  it.each([
    [{ userId: USER, ref: 'demo:task:t1', extra: 1 }, 'extra'],
    [{ userId: USER, ref: 'not a reference' }, 'ref'],
    [{ userId: 'somebody', ref: 'demo:task:t1' }, 'userId'],
  ])('refuses %j and names the field', async (query, field) => {
    expect(await ask(QUERIES.text, query)).toMatchObject({ problem: { errors: [{ field }] } });
  });

  it('says what is wrong where there is no such provider, or it gives nothing', async () => {
    const unknown = await ask(QUERIES.text, { userId: USER, ref: 'other:task:1' });
    expect(unknown).toMatchObject({
      problem: { type: 'urn:oo:problem:not-found', detail: expect.stringContaining('demo') },
    });
    provider.answerWith(500, '{}');
    const silent = await ask(QUERIES.text, { userId: USER, ref: 'demo:task:t1' });
    expect(silent).toMatchObject({ problem: { type: 'urn:oo:problem:unavailable' } });
  });

  it('does not start with an address that is none, and names the variable', async () => {
    process.env.OO_DEMO_PROVIDER_URL = 'ftp://nowhere';
    const started = start();
    await expect(started).rejects.toThrow(ConfigError);
    await expect(started).rejects.toThrow('OO_DEMO_PROVIDER_URL: given "ftp://nowhere"; allowed: http://');
  });
});
