import { setTimeout as pause } from 'node:timers/promises';
import { type AcknowledgedSignal, Producer, type RunningOo } from '@oo/cli/testing';
import { NO_COMMAND_LOST, type Random, Violation } from '@oo/simulation';

interface Sent {
  readonly type: string;
  readonly data: unknown;
  readonly key: string;
  readonly occurredAt: string;
  /** What came back first. */
  readonly acknowledged: AcknowledgedSignal;
}

interface Answered {
  readonly tipId: string;
  readonly answer: string;
  readonly key: string;
  readonly acknowledged: { readonly stream: string; readonly revision: string };
}

const ANSWERS = ['done', 'will-do', 'later', 'no'];

/** A person with a page and a producer, and the log that they keep of what was acknowledged. */
export class Client {
  readonly signals: Sent[] = [];
  readonly answers: Answered[] = [];
  #sent = 0;
  readonly #producer: Producer;

  constructor(
    oo: RunningOo,
    readonly userId: string,
    token: string,
    private readonly random: Random,
  ) {
    this.#producer = new Producer(oo, token);
  }

  /** So many signals, and answers to the tips that come of them. */
  async load(count: number): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        await pause(index * 60);
        if (index % 6 === 0) await this.#open();
        else if (index % 6 === 5) await this.#sendAgain();
        else await this.#signal('MoodReported', { valence: (index % 5) - 2, energy: 1 });
      }),
    );
  }

  async #open(): Promise<void> {
    await this.#signal('ContextObserved', { kind: 'CONTEXT_KIND_PAGE_OPENED', device: 'DEVICE_PHONE' });
    const tip = await this.#producer.tip();
    if (tip === null || this.random.chance(0.3)) return;
    await this.#answer(tip.tipId, this.random.pick(ANSWERS));
  }

  async #answer(tipId: string, answer: string): Promise<void> {
    const key = `answer-${this.#sent++}`;
    try {
      const acknowledged = await this.#producer.answer(tipId, answer, key);
      this.answers.push({ tipId, answer, key, acknowledged });
    } catch (error) {
      // Another answer was faster: that one stands, and this one is not acknowledged.
      if (!/already-answered|unknown-tip/.test(String(error))) throw error;
    }
  }

  async #signal(type: string, data: unknown): Promise<void> {
    const sent = { type, data, key: `signal-${this.#sent++}`, occurredAt: new Date().toISOString() };
    const acknowledged = await this.#producer.signal(type, data, sent.key, sent.occurredAt);
    this.signals.push({ ...sent, acknowledged });
  }

  /** What was acknowledged once is acknowledged again, and the same, although others came after it. */
  async #sendAgain(): Promise<void> {
    if (this.signals.length === 0) return;
    const { type, data, key, occurredAt, acknowledged } = this.random.pick(this.signals);
    const again = await this.#producer.signal(type, data, key, occurredAt);
    const first = { ...acknowledged, duplicate: true };
    if (JSON.stringify(again) !== JSON.stringify(first)) {
      throw new Violation(
        NO_COMMAND_LOST,
        `${key} of ${this.userId} was answered ${JSON.stringify(first)}, and now ${JSON.stringify(again)}`,
      );
    }
  }
}
