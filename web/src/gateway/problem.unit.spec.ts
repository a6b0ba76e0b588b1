import { createTRPCUntypedClient, httpLink, TRPCClientError } from '@trpc/client';
import { describe, expect, it } from 'vitest';
import { failureOf, fateOf, UnexpectedAnswer } from './problem.js';

const problem = { type: 'urn:oo:problem:conflict', title: 'T', status: 409, detail: 'D', errors: [] };
const answered = (data: unknown) =>
  TRPCClientError.from({ error: { message: 'm', code: -32600, data } } as never);
/** What tRPC throws of a network that behaves like this. */
const thrown = (fetch: () => Promise<Response>): Promise<unknown> =>
  createTRPCUntypedClient({ links: [httpLink({ url: 'http://localhost/trpc', fetch })] })
    .mutation('arrive', {})
    .then(
      () => {
        throw new Error('it did not throw');
      },
      (error: unknown) => error,
    );
const answering = (status: number, body: string) => thrown(async () => new Response(body, { status }));

describe('what a call failed by', () => {
  it('is the gateway’s own problem document', () => {
    expect(failureOf(answered({ code: 'CONFLICT', httpStatus: 409, problem }))).toEqual({
      kind: 'problem',
      type: 'urn:oo:problem:conflict',
      status: 409,
      title: 'T',
      detail: 'D',
    });
  });

  it.each([
    ['no network', thrown(() => Promise.reject(new TypeError('Failed to fetch')))],
    ['no network, of a call without tRPC', new TypeError('Failed to fetch')],
  ])('is that it did not get there: %s', async (_name, error) => {
    expect(failureOf(await error)).toEqual({ kind: 'unreachable' });
  });

  it.each([
    ['a page of something between', answering(502, '<h1>Bad Gateway</h1>')],
    ['a page in place of an answer', answering(200, '<h1>Welcome to this hotel</h1>')],
    ['nothing in place of an answer', answering(500, '')],
    ['another JSON than an answer', answering(500, '{"error":"oops"}')],
    ['a gateway with a bug', answered({ problem: { ...problem, status: 500 } })],
    ['a gateway whose parts do not answer', answered({ problem: { ...problem, status: 503 } })],
    ['an answer without a problem', answered({ code: 'CONFLICT' })],
    ['a problem without a status', answered({ problem: { type: 'urn:x', title: 'T', detail: 'D' } })],
    ['another answer than was expected', new UnexpectedAnswer('500')],
  ])('is that the other end fails: %s', async (_name, error) => {
    expect(failureOf(await error)).toEqual({ kind: 'failing' });
  });
});

describe('the fate of what could not be sent', () => {
  it.each([
    [400, 'invalid-input', 'refused'],
    [401, 'not-signed-in', 'sign-in'],
    [403, 'cross-origin', 'refused'],
    [404, 'unknown-tip', 'refused'],
    // The page is newer or older than the gateway.
    [404, 'not-found', 'keep'],
    [408, 'too-slow', 'keep'],
    [409, 'already-answered', 'refused'],
    [409, 'conflict', 'keep'],
    [422, 'idempotency-key-reused', 'refused'],
    [429, 'too-many-requests', 'keep'],
  ] as const)('%i %s: %s', (status, kind, fate) => {
    expect(fateOf({ kind: 'problem', type: `urn:oo:problem:${kind}`, status, title: '', detail: '' })).toBe(
      fate,
    );
  });

  it.each(['unreachable', 'failing'] as const)('%s: keep', (kind) => expect(fateOf({ kind })).toBe('keep'));
});
