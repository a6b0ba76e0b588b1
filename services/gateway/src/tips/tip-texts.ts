import type { NatsConnection } from '@nats-io/transport-node';
import { ProblemError, QUERIES, recorded, type UserId } from '@oo/contracts';
import { requestJson } from '@oo/event-sourcing';
import type { Log } from '@oo/service-host';
import { z } from 'zod';
import { contractFile } from './contract-file.js';

/** The words of a tip. They pass through here and are neither kept nor logged. */
export interface TipWords {
  /** Whether the words are here, or gone at their source, or their source does not answer now. */
  readonly text: 'here' | 'gone' | 'unreachable';
  readonly title: string;
  readonly body: string;
  /** Where the thing itself is; empty where there is no such place. */
  readonly url: string;
}

const TIMEOUT_MS = 2_500;

const advices = z.object({
  advices: z.array(z.object({ ref: z.string(), title: z.string().min(1), body: z.string().default('') })),
});
const textAnswer = z.union([
  z.object({ problem: z.object({ title: z.string() }) }),
  recorded.queries.TipText,
]);

const without = (text: 'gone' | 'unreachable'): TipWords => ({ text, title: '', body: '', url: '' });

/** Joins the words to a tip when it is shown: an advice's from the catalogue, a todo's from its provider. */
export class TipTexts {
  private readonly advices: ReadonlyMap<string, TipWords>;

  constructor(
    private readonly nats: NatsConnection,
    private readonly log: Log,
  ) {
    this.advices = new Map(
      contractFile('advices.json', advices).advices.map(({ ref, title, body }) => [
        ref,
        { text: 'here', title, body, url: '' },
      ]),
    );
  }

  async of(user: UserId, kind: 'todo' | 'advice', ref: string): Promise<TipWords> {
    if (kind === 'advice') return this.advices.get(ref) ?? without('gone');
    try {
      const answer = textAnswer.parse(
        await requestJson(this.nats, QUERIES.text, { userId: user, ref }, TIMEOUT_MS),
      );
      if ('problem' in answer) {
        this.log.warn({ problem: answer.problem.title }, 'a provider gave no text');
        return without('unreachable');
      }
      if (answer.title === '') return without('gone');
      return { text: 'here', title: answer.title, body: answer.body, url: webAddress(answer.url) };
    } catch (error) {
      // Whatever is wrong there, the tip itself is known; but a parse error would quote what it read.
      if (!(error instanceof ProblemError)) this.log.error('a provider’s answer was not a text');
      return without('unreachable');
    }
  }
}

/** A provider's link, if it leads to the web and not to a script. */
function webAddress(text: string): string {
  const url = URL.parse(text);
  return url !== null && ['http:', 'https:'].includes(url.protocol) ? url.href : '';
}
