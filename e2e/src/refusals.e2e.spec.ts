import { Producer, RunningOo } from '@oo/cli/testing';
import { type EventEnvelope, QUERIES } from '@oo/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let oo: RunningOo;
let ada: { userId: string; token: string };
let eve: { userId: string; token: string };
let producer: Producer;

beforeAll(async () => {
  oo = await RunningOo.start({ OO_DEMO: 'off' });
  ada = await oo.json('person', 'ada');
  eve = await oo.json('person', 'eve');
  producer = new Producer(oo, ada.token);
}, 300_000);

afterAll(() => oo?.dispose());

async function head(): Promise<string> {
  const nats = await oo.nats();
  return (await nats.request(QUERIES.historyHead, '{}', { timeout: 5000 })).json<{ position: string }>()
    .position;
}

const now = () => new Date().toISOString();
const later = () => new Date(Date.now() + 3_600_000).toISOString();
const mood = (over: Record<string, unknown> = {}) => ({
  type: 'MoodReported',
  idempotencyKey: 'k-1',
  occurredAt: now(),
  data: { valence: 1, energy: 0 },
  ...over,
});

interface Case {
  readonly what: string;
  readonly body: () => unknown;
  readonly status: number;
  readonly field?: string;
  readonly headers?: Record<string, string>;
  readonly path?: string;
}

const CASES: readonly Case[] = [
  { what: 'no JSON', body: () => '{"type": "Mood', status: 400 },
  { what: 'JSON that is no object', body: () => '[1,2]', status: 400 },
  { what: 'nothing', body: () => '', status: 400 },
  {
    what: 'another content type',
    body: () => 'a=b',
    status: 415,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
  { what: 'a type that is not known', body: () => mood({ type: 'Nonsense' }), status: 400, field: 'type' },
  {
    what: 'a type that is no signal',
    body: () => mood({ type: 'TipProposed', data: {} }),
    status: 400,
    field: 'type',
  },
  {
    what: 'a wrong type of value',
    body: () => mood({ data: { valence: 'good', energy: 0 } }),
    status: 400,
    field: 'data.valence',
  },
  {
    what: 'a value out of range',
    body: () => mood({ data: { valence: 3 } }),
    status: 400,
    field: 'data.valence',
  },
  {
    what: 'a fraction for a whole number',
    body: () => mood({ data: { valence: 0.5 } }),
    status: 400,
    field: 'data.valence',
  },
  {
    what: 'a field that is not known',
    body: () => mood({ data: { valence: 1, note: 'x' } }),
    status: 400,
    field: 'data.note',
  },
  { what: 'an outer field that is not known', body: () => mood({ extra: 1 }), status: 400, field: 'extra' },
  {
    what: 'no idempotency key',
    body: () => mood({ idempotencyKey: undefined }),
    status: 400,
    field: 'idempotencyKey',
  },
  {
    what: 'a key that is too long',
    body: () => mood({ idempotencyKey: 'k'.repeat(200) }),
    status: 400,
    field: 'idempotencyKey',
  },
  {
    what: 'a time without an offset',
    body: () => mood({ occurredAt: '2026-01-01T00:00:00' }),
    status: 400,
    field: 'occurredAt',
  },
  {
    what: '30 February',
    body: () => mood({ occurredAt: '2026-02-30T00:00:00Z' }),
    status: 400,
    field: 'occurredAt',
  },
  {
    what: 'a time in the future',
    body: () => mood({ occurredAt: later() }),
    status: 422,
    field: 'occurredAt',
  },
  { what: 'another person', body: () => mood({ userId: eve.userId }), status: 403, field: 'userId' },
  { what: 'too much', body: () => mood({ data: { valence: 1, pad: 'x'.repeat(100_000) } }), status: 413 },
  {
    what: 'a text for a reference',
    body: () => ({ ...mood(), type: 'TaskCompleted', data: { ref: 'buy milk and eggs' } }),
    status: 400,
    field: 'data.ref',
  },
  {
    what: 'a span that ends before it begins',
    body: () => ({
      ...mood(),
      type: 'BusyTimeObserved',
      data: { ref: 'demo:event:1', startsAt: now(), endsAt: '2020-01-01T00:00:00Z' },
    }),
    status: 400,
    field: 'data.endsAt',
  },
  {
    what: 'deep nesting',
    body: () => `{"type":"MoodReported","data":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    status: 400,
  },
  {
    what: 'a prototype',
    body: () =>
      '{"__proto__":{"type":"MoodReported"},"type":"MoodReported","idempotencyKey":"k","occurredAt":"2026-01-01T00:00:00Z","data":{}}',
    status: 400,
  },
  {
    what: 'an answer to no tip',
    path: '/v1/tips/00000000-0000-4000-8000-000000000000/answers',
    body: () => ({ answer: 'done', answeredAt: now(), idempotencyKey: 'a' }),
    status: 404,
  },
  {
    what: 'an answer that is none',
    path: '/v1/tips/00000000-0000-4000-8000-000000000000/answers',
    body: () => ({ answer: 'maybe', answeredAt: now(), idempotencyKey: 'a' }),
    status: 400,
    field: 'answer',
  },
  {
    what: 'a tip id that is none',
    path: '/v1/tips/nonsense/answers',
    body: () => ({ answer: 'done', answeredAt: now(), idempotencyKey: 'a' }),
    status: 404,
  },
  { what: 'a path that is not there', path: '/v1/nothing', body: () => ({}), status: 404 },
];

describe('bad input is refused in words, nothing is stored, nothing falls over', () => {
  it.each(CASES)('$what', async ({ body, status, field, headers, path }) => {
    const before = await head();
    const response = await producer.send('POST', path ?? '/v1/signals', body(), headers);
    const text = await response.text();
    expect({ status: response.status, text }).toEqual({ status, text });
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    const problem = JSON.parse(text) as {
      type: string;
      title: string;
      status: number;
      detail: string;
      errors?: { field: string }[];
    };
    expect(problem.status).toBe(status);
    expect(problem.type).toMatch(/^urn:oo:problem:/);
    expect(problem.title.length).toBeGreaterThan(5);
    expect(problem.detail.length).toBeGreaterThan(5);
    if (field !== undefined) expect(problem.errors?.map((error) => error.field)).toContain(field);
    expect(await head()).toBe(before);
  });

  it.each([
    '/v1/timeline?before=99999999999999999999',
    '/v1/decisions?before=9223372036854775808',
    '/v1/timeline?before=-1',
    '/v1/timeline?limit=0',
    '/v1/timeline?unknown=1',
    '/v1/tip?after=99999999999999999999',
    '/v1/tip?timeoutMs=x',
  ])('GET %s is refused in words', async (path) => {
    const response = await producer.send('GET', path);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  it('refuses a token that is none, without saying more', async () => {
    for (const token of ['', 'oo_nonsense', ada.token.slice(0, -1)]) {
      const response = await new Producer(oo, token).send('POST', '/v1/signals', mood());
      expect(response.status).toBe(401);
    }
  });

  it('does not show one person’s tip to another', async () => {
    await producer.signal('ContextObserved', { kind: 'CONTEXT_KIND_PAGE_OPENED', device: 'DEVICE_PHONE' });
    await oo.quiet();
    const nats = await oo.nats();
    const page = (
      await nats.request(QUERIES.historyRead, JSON.stringify({ streams: [`tips-${ada.userId}`] }))
    ).json<{ events: EventEnvelope[] }>();
    const decided = page.events.find(({ type }) => type === 'TipProposed' || type === 'TipWithheld');
    if (decided === undefined) throw new Error('nothing was decided');
    const { decision } = decided.data as { decision: { decisionId: string } };
    const stranger = new Producer(oo, eve.token);
    const answers = { answer: 'done', answeredAt: now(), idempotencyKey: 'x' };
    expect((await stranger.send('POST', `/v1/tips/${decision.decisionId}/answers`, answers)).status).toBe(
      404,
    );
    expect((await stranger.send('GET', `/v1/tips/${decision.decisionId}/why`)).status).toBe(404);
    expect((await producer.send('GET', `/v1/tips/${decision.decisionId}/why`)).status).toBe(200);
  });

  it('goes on working', async () => {
    expect((await producer.signal('MoodReported', { valence: 1 }, 'still-here')).duplicate).toBe(false);
    expect((await producer.signal('MoodReported', { valence: 1 }, 'still-here')).duplicate).toBe(true);
    const reused = await producer.send(
      'POST',
      '/v1/signals',
      mood({ idempotencyKey: 'still-here', data: { valence: 2 } }),
    );
    expect(reused.status).toBe(422);
    expect(await oo.json<{ healthy: boolean }>('status')).toMatchObject({ healthy: true });
  });
});
