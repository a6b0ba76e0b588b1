import { ProblemError, problem } from '@oo/contracts';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EventStoreUnavailable } from '../event-store/errors.js';
import { answerParsed } from './answer.js';

async function answeredTo(error: Error) {
  const failures: unknown[] = [];
  const throwing = () => Promise.reject(error);
  const answer = await answerParsed({}, z.strictObject({}), throwing, (failure) => failures.push(failure));
  return { answer, failures };
}

describe('a question that comes to nothing', () => {
  it('is `unavailable` while the event store does not answer: asked again, it may be answered', async () => {
    const { answer, failures } = await answeredTo(new EventStoreUnavailable('no connection'));
    expect(answer).toMatchObject({ problem: { type: 'urn:oo:problem:unavailable' } });
    expect(failures).toEqual([]);
  });

  it('is answered with the problem that was thrown', async () => {
    const { answer } = await answeredTo(new ProblemError(problem('not-found', 'There is none.')));
    expect(answer).toMatchObject({ problem: { type: 'urn:oo:problem:not-found' } });
  });

  it('is `internal` for anything else, which is told', async () => {
    const error = new Error('a bug');
    const { answer, failures } = await answeredTo(error);
    expect(answer).toMatchObject({ problem: { type: 'urn:oo:problem:internal' } });
    expect(failures).toEqual([error]);
  });
});
