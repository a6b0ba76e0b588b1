import { afterEach, expect, it, vi } from 'vitest';
import { ACK_WAIT_MS, type Deliveries, Worker, type WorkMessage, type WorkSource } from './work-queue.js';

/** A queue that delivers `messages`, and no more until it is stopped. */
class Source implements WorkSource {
  readonly #stopped = Promise.withResolvers<void>();
  constructor(private readonly messages: readonly WorkMessage[]) {}

  async deliveries(): Promise<Deliveries> {
    const { messages } = this;
    const stopped = this.#stopped;
    return {
      stop: () => stopped.resolve(),
      async *[Symbol.asyncIterator]() {
        yield* messages;
        await stopped.promise;
      },
    };
  }

  async unfinished(): Promise<number> {
    return 0;
  }
}

const message = (subject: string, said: string[]): WorkMessage => ({
  subject,
  data: new Uint8Array(),
  ack: () => said.push(`ack ${subject}`),
  nak: () => said.push(`nak ${subject}`),
  term: () => said.push(`term ${subject}`),
  working: () => {},
});

const queue = (handle: (message: WorkMessage) => Promise<void>) => ({
  stream: { name: 'Q', subjects: [] } as never,
  durable: 'q',
  lane: ({ subject }: WorkMessage) => subject.slice(0, 1),
  handle,
});

it('follows while it is delivered to, and gives back at its end what it has not handled', async () => {
  const said: string[] = [];
  const failed = Promise.withResolvers<void>();
  const source = new Source([message('a1', said), message('b1', said), message('b2', said)]);
  const handle = async ({ subject }: WorkMessage) => {
    if (subject !== 'b1') return;
    failed.resolve();
    throw new Error('not now');
  };
  const worker = new Worker(
    source,
    queue(handle),
    () => true,
    () => {},
  );
  const stop = new AbortController();
  expect(worker.isFollowing).toBe(false);
  const running = worker.run(stop.signal);
  await failed.promise;
  expect(worker.isFollowing).toBe(true);
  stop.abort();
  await running;
  expect(worker.isFollowing).toBe(false);
  expect(said).toEqual(['ack a1', 'nak b1', 'nak b2']);
});

afterEach(() => {
  vi.useRealTimers();
});

it('says of what is in hand that it is, also once it is to end, until it is acknowledged', async () => {
  vi.useFakeTimers();
  const said: number[] = [];
  const began = Date.now();
  const finish = Promise.withResolvers<void>();
  const inHand: WorkMessage = { ...message('a1', []), working: () => said.push(Date.now() - began) };
  const worker = new Worker(
    new Source([inHand]),
    queue(() => finish.promise),
    () => true,
    () => {},
  );
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  await vi.advanceTimersByTimeAsync(2 * ACK_WAIT_MS);
  stop.abort();
  await vi.advanceTimersByTimeAsync(2 * ACK_WAIT_MS);
  const silences = said.map((at, index) => at - (said[index - 1] ?? 0));
  // Two words may be lost before another gets it.
  expect(Math.max(...silences)).toBeLessThan(ACK_WAIT_MS / 3);
  expect(said.at(-1)).toBeGreaterThan(3.5 * ACK_WAIT_MS);
  finish.resolve();
  await running;
  const words = said.length;
  await vi.advanceTimersByTimeAsync(2 * ACK_WAIT_MS);
  expect(said).toHaveLength(words);
});
