import { instant, problem } from '@oo/contracts';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type RecordedProvider, serveRecorded } from '../../providers/recorded-provider.js';
import { demoMapper } from '../mapper.js';
import { Ingress } from './ingress.js';

let server: RecordedProvider;
let retried: string[];
let stop: AbortController;

beforeEach(async () => {
  server = await serveRecorded();
  retried = [];
  stop = new AbortController();
});
afterEach(() => server.close());

const at = instant(Date.UTC(2026, 0, 1));
const ingress = (onRetry: (reason: string) => void = () => {}) =>
  new Ingress(
    server.url,
    'oo_token',
    (reason) => {
      retried.push(reason);
      onRetry(reason);
    },
    stop.signal,
  );
const signal = () => {
  const mapped = demoMapper.signal({ kind: 'mood', at, valence: 1, energy: 0 });
  if (mapped === undefined) throw new Error('a mood is a signal');
  return mapped;
};
const told = JSON.stringify({ eventId: 'e1', duplicate: false });

it('tells again while the ingress is away, at its limit, or does not know the time yet', async () => {
  const bad: [number, string][] = [
    [503, 'not even JSON'],
    [429, JSON.stringify(problem('too-many-requests', 'wait'))],
    [422, JSON.stringify(problem('from-the-future', 'later'))],
  ];
  server.answerWith(500, '{}');
  const answer = ingress(() => {
    const [status, body] = bad.shift() ?? [201, told];
    server.answerWith(status, body);
  }).postSignal(signal());
  expect(await answer).toEqual({ eventId: 'e1', duplicate: false });
  expect(retried).toEqual(['unknown', 'unknown', 'too-many-requests', 'from-the-future']);
});

it('gives up, with the problem’s words, where telling again would not help', async () => {
  server.answerWith(403, JSON.stringify(problem('foreign-user', 'Send your own.')));
  await expect(ingress().postSignal(signal())).rejects.toMatchObject({
    status: 403,
    code: 'foreign-user',
    message: 'That is another person’s: Send your own.',
  });
  expect(retried).toEqual([]);
});

it('stops at once when it is told to', async () => {
  server.fallSilent();
  const answer = ingress().answerTip('t', 'done', at);
  stop.abort();
  await expect(answer).rejects.toThrow('aborted');
});
