import { setTimeout as sleep } from 'node:timers/promises';
import type { Instant } from '@oo/contracts';
import { z } from 'zod';
import { type Signal, signalBody } from '../../connectors/signal.js';
import type { AnswerWord } from '../person/reaction.js';

const toldSchema = z.object({ eventId: z.string(), duplicate: z.boolean() });
const recordedSchema = z.object({ revision: z.string().regex(/^\d+$/) });
const problemSchema = z.object({ type: z.string(), title: z.string(), detail: z.string() });

/** A signal that the ingress took. */
export type Told = Readonly<z.infer<typeof toldSchema>>;

/** The ingress said no, and saying it again would not help. */
export class IngressRefusal extends Error {
  constructor(
    readonly status: number,
    /** Last part of the problem's type: `unknown-tip`. */
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'IngressRefusal';
  }
}

/** The first wait after an ingress that cannot be reached, and the longest. */
const RETRY_MS = { first: 25, longest: 2000 };

/** The public REST ingress, as any producer uses it: a bearer token and problem documents. */
export class Ingress {
  constructor(
    private readonly url: string,
    private readonly token: string,
    /** Told each time that the ingress has to be asked again. */
    private readonly retrying: (reason: string) => void,
    private readonly stopped: AbortSignal,
  ) {}

  /** @throws IngressRefusal */
  async postSignal(signal: Signal): Promise<Told> {
    return toldSchema.parse(await this.#post('/v1/signals', signalBody(signal)));
  }

  /** Says that a tip was seen. @returns the revision of the person's tips that has it @throws IngressRefusal */
  async showTip(tipId: string): Promise<bigint> {
    return revisionOf(await this.#post(`/v1/tips/${tipId}/shown`, {}));
  }

  /** @returns the revision of the person's tips that has the answer @throws IngressRefusal */
  async answerTip(tipId: string, answer: AnswerWord, answeredAt: Instant): Promise<bigint> {
    const idempotencyKey = `${tipId}:${answer}`;
    const body = { answer, answeredAt, idempotencyKey };
    return revisionOf(await this.#post(`/v1/tips/${tipId}/answers`, body));
  }

  /** Posts until there is an answer that is worth having: keys make a repeat harmless. */
  async #post(path: string, body: unknown): Promise<unknown> {
    for (let wait = RETRY_MS.first; ; wait = Math.min(wait * 2, RETRY_MS.longest)) {
      const reason = await this.#attempt(path, body);
      if ('answer' in reason) return reason.answer;
      this.retrying(reason.retry);
      await sleep(wait, undefined, { signal: this.stopped });
    }
  }

  async #attempt(path: string, body: unknown): Promise<{ answer: unknown } | { retry: string }> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${this.token}` },
        body: JSON.stringify(body),
        signal: AbortSignal.any([this.stopped, AbortSignal.timeout(15_000)]),
      });
      text = await response.text();
    } catch {
      this.stopped.throwIfAborted();
      return { retry: 'no-connection' };
    }
    if (response.ok) return { answer: text === '' ? {} : JSON.parse(text) };
    const refusal = refusalOf(response.status, text);
    // A clock that was steered may reach the ingress a little after the signal does.
    const again = ['from-the-future', 'conflict'].includes(refusal.code);
    if (again || response.status >= 500 || response.status === 429) return { retry: refusal.code };
    throw refusal;
  }
}

function revisionOf(reply: unknown): bigint {
  return BigInt(recordedSchema.parse(reply).revision);
}

function refusalOf(status: number, text: string): IngressRefusal {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const { data } = problemSchema.safeParse(json);
  if (data === undefined) return new IngressRefusal(status, 'unknown', `the ingress answered ${status}`);
  const code = data.type.slice(data.type.lastIndexOf(':') + 1);
  return new IngressRefusal(status, code, `${data.title}: ${data.detail}`);
}
