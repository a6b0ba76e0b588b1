import { BadRequestException, ForbiddenException, NotFoundException } from '@nestjs/common';
import { ProblemError, problem } from '@oo/contracts';
import { EventStoreUnavailable } from '@oo/event-sourcing';
import { describe, expect, it } from 'vitest';
import { problemOf } from './problem-of.js';

const request = { method: 'POST', url: '/v1/signals?token=secret' };
const withCode = (code: string, statusCode?: number) =>
  Object.assign(new Error('secret'), { code, ...(statusCode === undefined ? {} : { statusCode }) });

describe('the problem that an error stands for', () => {
  it.each<[string, unknown, number, string]>([
    ['its own', new ProblemError(problem('conflict', 'x')), 409, 'conflict'],
    ['nothing there', new NotFoundException(), 404, 'not-found'],
    ['another site', new ForbiddenException(), 403, 'cross-origin'],
    ['a file outside', Object.assign(new Error('Forbidden'), { statusCode: 403 }), 404, 'not-found'],
    ['malformed JSON', withCode('FST_ERR_CTP_INVALID_JSON_BODY', 400), 400, 'malformed-json'],
    [
      'malformed JSON in Nest',
      new BadRequestException('x', { cause: new SyntaxError('x') }),
      400,
      'malformed-json',
    ],
    ['a malformed address', withCode('FST_ERR_BAD_URL', 400), 400, 'invalid-input'],
    ['something unreadable', withCode('FST_ERR_X', 400), 400, 'invalid-input'],
    ['too much', withCode('FST_ERR_CTP_BODY_TOO_LARGE', 413), 413, 'too-large'],
    ['a long address', withCode('FST_ERR_MAX_PARAM_LENGTH', 414), 414, 'too-long'],
    ['no JSON', withCode('FST_ERR_CTP_INVALID_MEDIA_TYPE', 415), 415, 'unsupported-media-type'],
    ['no event store', new EventStoreUnavailable('x'), 503, 'unavailable'],
    ['no database', withCode('ECONNREFUSED'), 503, 'unavailable'],
    ['no tables yet', withCode('42P01'), 503, 'unavailable'],
    ['a bug', new TypeError('secret'), 500, 'internal'],
    ['a bug in SQL', withCode('42601'), 500, 'internal'],
    ['a string', 'secret', 500, 'internal'],
  ])('%s', (_name, error, status, kind) => {
    const found = problemOf(error, request);
    expect([found.status, found.type]).toEqual([status, `urn:oo:problem:${kind}`]);
  });

  it('never tells what is inside', () => {
    for (const error of [new TypeError('secret'), withCode('42601'), new NotFoundException('secret')]) {
      expect(JSON.stringify(problemOf(error, request))).not.toContain('secret');
    }
  });
});
