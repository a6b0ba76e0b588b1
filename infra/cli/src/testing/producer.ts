import { randomUUID } from 'node:crypto';
import { pause, type RunningOo } from './running-oo.js';

export interface Acknowledged {
  readonly stream: string;
  readonly revision: string;
  readonly duplicate: boolean;
}

export interface AcknowledgedSignal extends Acknowledged {
  readonly eventId: string;
}

/** A producer as they ought to be: it sends again, with the same key, until it is answered. */
export class Producer {
  constructor(
    private readonly oo: RunningOo,
    private readonly token: string,
  ) {}

  signal(
    type: string,
    data: unknown,
    key: string = randomUUID(),
    occurredAt?: string,
  ): Promise<AcknowledgedSignal> {
    return this.insist('POST', '/v1/signals', {
      type,
      data,
      idempotencyKey: key,
      occurredAt: occurredAt ?? new Date().toISOString(),
    });
  }

  answer(tipId: string, answer: string, key: string = randomUUID()): Promise<Acknowledged> {
    return this.insist('POST', `/v1/tips/${tipId}/answers`, {
      answer,
      answeredAt: new Date().toISOString(),
      idempotencyKey: key,
    });
  }

  async tip(): Promise<{ tipId: string; title: string; ref: string } | null> {
    const { tip } = await this.insist<{ tip: { tipId: string; title: string; ref: string } | null }>(
      'GET',
      '/v1/tip',
    );
    return tip;
  }

  /** One request, as it is. */
  send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return fetch(`${this.oo.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
  }

  private async insist<Answer = Acknowledged>(method: string, path: string, body?: unknown): Promise<Answer> {
    const deadline = Date.now() + 120_000;
    for (;;) {
      let last: string;
      try {
        const response = await this.send(method, path, body);
        if (response.ok) return (await response.json()) as Answer;
        last = `${response.status} ${await response.text()}`;
        if (response.status < 500 && response.status !== 429) throw new Refused(last);
      } catch (error) {
        if (error instanceof Refused) throw error;
        last = String(error);
      }
      if (Date.now() > deadline) throw new Error(`${method} ${path} is not answered: ${last}`);
      await pause(100);
    }
  }
}

class Refused extends Error {}
