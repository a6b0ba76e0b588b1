import { request } from 'node:http';
import type { Problem } from '@oo/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from './testing/index.js';

let gateway: TestGateway;
let token: string;

beforeAll(async () => {
  gateway = await startTestGateway();
  ({ token } = await gateway.person());
});
afterAll(() => gateway?.close());
beforeEach(() => {
  gateway.world.sent.length = 0;
});

const mood = {
  type: 'MoodReported',
  idempotencyKey: 'k',
  occurredAt: '2026-01-05T08:00:00Z',
  data: { valence: 1 },
};
const TIP = '0b9f1f5e-6a55-4c5b-9f42-8a5bd1f7d0aa';
const answer = { answer: 'done', answeredAt: '2026-01-05T08:00:00Z', idempotencyKey: 'k' };

interface Call {
  readonly method?: string;
  readonly path?: string;
  readonly body?: unknown;
  readonly raw?: string;
  readonly headers?: Record<string, string>;
}

async function call({ method = 'POST', path = '/v1/signals', body, raw, headers = {} }: Call) {
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(gateway.url + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(text === undefined ? {} : { body: text }),
  });
  return { response, problem: (await response.json()) as Problem };
}

const future = () => new Date(Date.now() + 10 * 60_000).toISOString();

const CASES: readonly (readonly [string, Call, number, string, string])[] = [
  ['malformed JSON', { raw: '{"type":' }, 400, 'malformed-json', '(body)'],
  ['an empty body', { raw: '' }, 400, 'malformed-json', '(body)'],
  ['no body', {}, 400, 'invalid-input', '(body)'],
  ['a poisoned prototype', { raw: '{"__proto__":{"x":1}}' }, 400, 'malformed-json', '(body)'],
  ['a body that is no object', { body: [1] }, 400, 'invalid-input', '(body)'],
  ['an unknown type', { body: { ...mood, type: 'Sneezed' } }, 400, 'invalid-input', 'type'],
  ['an event that is no signal', { body: { ...mood, type: 'TipShown' } }, 400, 'invalid-input', 'type'],
  [
    'a wrong type of a field',
    { body: { ...mood, data: { valence: 'good' } } },
    400,
    'invalid-input',
    'data.valence',
  ],
  ['a value out of range', { body: { ...mood, data: { valence: 3 } } }, 400, 'invalid-input', 'data.valence'],
  ['an unknown field', { body: { ...mood, color: 'red' } }, 400, 'invalid-input', 'color'],
  [
    'an unknown field of the data',
    { body: { ...mood, data: { note: 'hi' } } },
    400,
    'invalid-input',
    'data.note',
  ],
  [
    'a reference that is a sentence',
    { body: { ...mood, type: 'TaskCompleted', data: { ref: 'buy milk' } } },
    400,
    'invalid-input',
    'data.ref',
  ],
  ['no key', { body: { ...mood, idempotencyKey: '' } }, 400, 'invalid-input', 'idempotencyKey'],
  [
    'a time without an offset',
    { body: { ...mood, occurredAt: '2026-01-05T08:00:00' } },
    400,
    'invalid-input',
    'occurredAt',
  ],
  [
    'a time that was never set',
    { body: { ...mood, occurredAt: '0001-01-01T00:00:00Z' } },
    400,
    'invalid-input',
    'occurredAt',
  ],
  [
    'a day that is none',
    { body: { ...mood, occurredAt: '2026-02-30T08:00:00Z' } },
    400,
    'invalid-input',
    'occurredAt',
  ],
  ['a future time', { body: { ...mood, occurredAt: future() } }, 422, 'from-the-future', 'occurredAt'],
  [
    'a foreign user',
    { body: { ...mood, userId: 'home_00000000000000000000000000' } },
    403,
    'foreign-user',
    'userId',
  ],
  [
    'a body that is too large',
    { body: { ...mood, idempotencyKey: 'k'.repeat(70_000) } },
    413,
    'too-large',
    '(body)',
  ],
  [
    'text instead of JSON',
    { raw: 'hello', headers: { 'content-type': 'text/plain' } },
    415,
    'unsupported-media-type',
    'content-type',
  ],
  [
    'JSON in another character set',
    { body: mood, headers: { 'content-type': 'application/json; charset=utf-16' } },
    415,
    'unsupported-media-type',
    'content-type',
  ],
  [
    'a compressed body',
    { body: mood, headers: { 'content-encoding': 'gzip' } },
    415,
    'unsupported-media-type',
    'content-encoding',
  ],
  [
    'a form instead of JSON',
    { raw: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    415,
    'unsupported-media-type',
    'content-type',
  ],
  [
    'an unknown answer',
    { path: `/v1/tips/${TIP}/answers`, body: { ...answer, answer: 'maybe' } },
    400,
    'invalid-input',
    'answer',
  ],
  [
    'an answer from the future',
    { path: `/v1/tips/${TIP}/answers`, body: { ...answer, answeredAt: future() } },
    422,
    'from-the-future',
    'answeredAt',
  ],
  ['an answer to no tip', { path: '/v1/tips/nothing/answers', body: answer }, 404, 'unknown-tip', 'id'],
  [
    'an unknown field of a showing',
    { path: `/v1/tips/${TIP}/shown`, body: { seen: true } },
    400,
    'invalid-input',
    'seen',
  ],
  ['a query of a signal', { path: '/v1/signals?x=1', body: mood }, 400, 'invalid-input', 'x'],
  ['a query of an answer', { path: `/v1/tips/${TIP}/answers?x=1`, body: answer }, 400, 'invalid-input', 'x'],
  ['a query of why', { method: 'GET', path: `/v1/tips/${TIP}/why?x=1` }, 400, 'invalid-input', 'x'],
  ['an unknown query', { method: 'GET', path: '/v1/timeline?page=2' }, 400, 'invalid-input', 'page'],
  [
    'a limit that is no number',
    { method: 'GET', path: '/v1/timeline?limit=many' },
    400,
    'invalid-input',
    'limit',
  ],
  [
    'a limit that is too large',
    { method: 'GET', path: '/v1/decisions?limit=100000' },
    400,
    'invalid-input',
    'limit',
  ],
  [
    'a cursor that is none',
    { method: 'GET', path: '/v1/decisions?before=-1' },
    400,
    'invalid-input',
    'before',
  ],
  ['a revision that is none', { method: 'GET', path: '/v1/tip?after=x' }, 400, 'invalid-input', 'after'],
  ['why of what is no id', { method: 'GET', path: '/v1/tips/x/why' }, 404, 'unknown-tip', 'id'],
  ['why of an unknown decision', { method: 'GET', path: `/v1/tips/${TIP}/why` }, 404, 'unknown-tip', 'id'],
];

describe('bad input', () => {
  it.each(CASES)('%s', async (_name, input, status, kind, field) => {
    const { response, problem } = await call(input);
    expect({ status: response.status, type: problem.type }).toEqual({
      status,
      type: `urn:oo:problem:${kind}`,
    });
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    expect(problem.status).toBe(status);
    expect(problem.errors.map((error) => error.field)).toContain(field);
    expect(problem.detail).not.toBe('');
    expect(gateway.world.sent).toEqual([]);
  });

  it.each([
    ['nobody', undefined],
    ['a token that is none', 'Bearer oo_abc'],
    ['another scheme', 'Basic b286b28='],
    ['a token of the right form', `Bearer oo_${'a'.repeat(43)}`],
  ])('%s is not let in', async (_name, authorization) => {
    const response = await fetch(`${gateway.url}/v1/signals`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: JSON.stringify(mood),
    });
    expect(response.status).toBe(401);
    expect(((await response.json()) as Problem).type).toBe('urn:oo:problem:not-signed-in');
    expect(gateway.world.sent).toEqual([]);
  });

  it.each([
    ['an address that is not there', 'GET', '/v1/nothing', 404],
    ['an address of better-auth that is closed', 'POST', '/api/auth/sign-up/email', 404],
    ['another method', 'DELETE', '/v1/signals', 405],
    ['another method of one tip', 'PUT', `/v1/tips/${TIP}/why`, 405],
    ['a malformed address', 'GET', '/v1/%zz', 400],
    ['a long address', 'GET', `/v1/tips/${'x'.repeat(200)}/why`, 404],
    ['a procedure that is not there', 'GET', '/trpc/nothing', 404],
    ['a path that goes out of the page’s folder', 'GET', '/..%2f..%2fetc/passwd', 404],
  ])('%s has a problem document', async (_name, method, path, status) => {
    const { response, problem } = await call({ method, path });
    expect(response.status).toBe(status);
    const document = path.startsWith('/trpc') ? inTrpc(problem) : problem;
    expect(document).toMatchObject({ status, type: expect.stringMatching(/^urn:oo:problem:/) });
  });

  it.each([
    ['too large', { raw: JSON.stringify({ key: 'k'.repeat(70_000) }) }, 413, 'too-large', '(body)'],
    [
      'no JSON by its type',
      { raw: 'hello', headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported-media-type',
      'content-type',
    ],
    ['no JSON', { raw: '{"utcOffsetMinutes":' }, 400, 'malformed-json', '(body)'],
  ] as const)('what the page’s router cannot read: %s', async (_name, input, status, kind, field) => {
    const { response, problem } = await call({ ...input, path: '/trpc/arrive' });
    const document = 'error' in problem ? inTrpc(problem) : problem;
    expect(response.status).toBe(status);
    expect(document).toMatchObject({
      type: `urn:oo:problem:${kind}`,
      errors: [expect.objectContaining({ field })],
    });
  });

  it.each([
    ['too large', { raw: JSON.stringify({ key: 'k'.repeat(70_000) }) }, 413, 'too-large', '(body)'],
    ['empty', { raw: '' }, 400, 'malformed-json', '(body)'],
    ['no JSON', { raw: '{"provider":' }, 400, 'malformed-json', '(body)'],
    [
      'no JSON by its type',
      { raw: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'unsupported-media-type',
      'content-type',
    ],
    [
      'a way back to elsewhere',
      {
        body: { provider: 'oidc', callbackURL: 'https://elsewhere.example/' },
        path: '/api/auth/sign-in/social',
      },
      400,
      'invalid-input',
      'callbackURL',
    ],
  ] as const)('what signing in cannot take: %s', async (_name, input, status, kind, field) => {
    const { response, problem } = await call({ path: '/api/auth/sign-in/social', ...input });
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    expect(problem).toMatchObject({
      status,
      type: `urn:oo:problem:${kind}`,
      errors: [expect.objectContaining({ field })],
    });
  });

  it('a path out of the page’s folder that no client has tidied up is nowhere', async () => {
    const { hostname, port } = new URL(gateway.url);
    const status = await new Promise((resolve, reject) => {
      request({ hostname, port, path: '/../../etc/passwd' })
        .on('response', (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(404);
  });

  it('answers headers that are too long', async () => {
    const { hostname, port } = new URL(gateway.url);
    const answer = await new Promise((resolve, reject) => {
      const sent = request({ hostname, port, path: '/v1/tip', headers: { 'x-long': 'x'.repeat(40_000) } });
      sent
        .on('response', (response) => {
          response.setEncoding('utf8').on('data', (text: string) => {
            resolve([response.statusCode, response.headers['content-type'], JSON.parse(text)]);
          });
        })
        .on('error', reject)
        .end();
    });
    expect(answer).toEqual([
      431,
      'application/problem+json',
      expect.objectContaining({ status: 431, type: 'urn:oo:problem:too-long' }),
    ]);
  });
});

function inTrpc(answer: unknown): unknown {
  return (answer as { error: { data: { problem: unknown } } }).error.data.problem;
}
