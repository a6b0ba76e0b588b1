import { TRPCClientError } from '@trpc/client';
import { describe, expect, it } from 'vitest';
import { failureOf, fateOf } from './problem.js';

const problem = { type: 'urn:oo:problem:conflict', title: 'T', status: 409, detail: 'D', errors: [] };
const answered = (data: unknown) =>
  TRPCClientError.from({ error: { message: 'm', code: -32600, data } } as never);

describe('what a call failed by', () => {
  it('is the gateway’s own problem document', () => {
    expect(failureOf(answered({ code: 'CONFLICT', httpStatus: 409, problem }))).toEqual({
      kind: 'problem',
      status: 409,
      title: 'T',
      detail: 'D',
    });
  });

  it.each([
    ['no network', new TypeError('Failed to fetch')],
    ['an answer of something between', new TRPCClientError('Unexpected token <')],
    ['an answer without a problem', answered({ code: 'CONFLICT' })],
    ['a problem without a status', answered({ problem: { title: 'T', detail: 'D' } })],
  ])('is that it did not get there: %s', (_name, error) => {
    expect(failureOf(error)).toEqual({ kind: 'unreachable' });
  });
});

describe('the fate of what could not be sent', () => {
  it.each([
    [400, 'drop'],
    [401, 'sign-in'],
    [403, 'drop'],
    [404, 'drop'],
    [408, 'keep'],
    [409, 'drop'],
    [422, 'drop'],
    [429, 'keep'],
    [500, 'keep'],
    [503, 'keep'],
  ] as const)('%i: %s', (status, fate) => {
    expect(fateOf({ kind: 'problem', status, title: '', detail: '' })).toBe(fate);
  });

  it('without an answer: keep', () => expect(fateOf({ kind: 'unreachable' })).toBe('keep'));
});
