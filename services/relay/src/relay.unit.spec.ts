import { AnotherPast, delay, type StoredEvent } from '@oo/event-sourcing';
import { afterEach, describe, expect, it } from 'vitest';
import type { Headers } from './headers.js';
import { Relay, type RelayedStore, type RelayReport } from './relay.js';
import type { AckListener, Channel, Topic } from './topic.js';

/** The n-th event of a store. */
const eventAt = (n: number): StoredEvent => ({
  id: `event ${n}`,
  type: 'TaskCompleted',
  stream: 'signals-home_00000000000000000000000000',
  revision: BigInt(n),
  position: BigInt(n) * 10n,
  data: {},
  metadata: {},
  storedAtMs: Date.now(),
});

const storeOf = (events: readonly StoredEvent[]): RelayedStore => ({
  readAll: async function* () {
    yield [...events];
  },
  readAllBackwards: async function* () {
    yield [...events].reverse();
  },
  head: async () => events.at(-1)?.position,
  follow: async (after, handle, signal) => {
    if (after !== undefined && !events.some(({ position }) => position === after))
      throw new AnotherPast(`no event begins at ${after}`);
    for (const event of events) if (event.position > (after ?? -1n) && !signal.aborted) await handle(event);
    while (!signal.aborted) await delay(5, signal);
  },
});

/** A stream that takes what JetStream would, in memory. */
class FakeTopic implements Topic {
  /** What it stores: the positions of the events. */
  stored: bigint[] = [];
  readonly ids = new Map<string, number>();
  isBroken = false;
  /** Cannot write, as nats-server from 2.14 on: no answer to what it should have stored. */
  isSilent = false;
  remade = 0;

  async ensure(): Promise<void> {}
  async standing() {
    return { created: 'one', lastSequence: this.stored.length };
  }
  async last() {
    const position = this.stored.at(-1);
    return position === undefined ? undefined : { position, sequence: this.stored.length };
  }
  async readMirror() {
    return undefined;
  }
  async writeMirror(): Promise<void> {}
  async remake(): Promise<void> {
    this.remade++;
    this.isBroken = false;
    this.isSilent = false;
    this.stored = [];
    this.ids.clear();
  }
  open(listener: AckListener): Channel {
    const publish = (_subject: string, _body: Uint8Array, headers: Headers, sequence: number) => {
      const answer = this.#take(headers);
      if (answer === undefined) return;
      const ack = new TextEncoder().encode(JSON.stringify(answer));
      queueMicrotask(() => listener(null, sequence, ack));
    };
    return { maxPayload: 1_048_576, publish, close: () => {} };
  }

  #take(headers: Headers): unknown {
    if (this.isBroken)
      return { error: { code: 503, err_code: 10077, description: 'no space left on device' } };
    const known = this.ids.get(headers.get('Nats-Msg-Id') ?? '');
    if (known !== undefined) return { seq: known, duplicate: true };
    if (Number(headers.get('Nats-Expected-Last-Sequence')) !== this.stored.length) {
      return { error: { code: 400, err_code: 10071, description: 'wrong last sequence' } };
    }
    if (this.isSilent) return undefined;
    this.stored.push(BigInt(headers.get('Oo-Position') ?? 0));
    this.ids.set(headers.get('Nats-Msg-Id') ?? '', this.stored.length);
    return { seq: this.stored.length };
  }
}

let stop = new AbortController();
afterEach(() => {
  stop.abort();
  stop = new AbortController();
});

async function relayed(topic: FakeTopic, events: readonly StoredEvent[]): Promise<RelayReport[]> {
  const reports: RelayReport[] = [];
  const options = { retryMs: 2, watchMs: 10, remakeAfterMs: 20, timeoutMs: 20 };
  const relay = new Relay(topic, storeOf(events), (report) => reports.push(report), options);
  relay.run(stop.signal);
  const head = events.at(-1)?.position ?? -1n;
  while (relay.standing.position !== head || !relay.standing.atRest) await delay(2, stop.signal);
  return reports;
}

describe('a stream', () => {
  it.each(['isBroken', 'isSilent'] as const)(
    'that stores nothing any more (%s), as nats-server after a full disk, is made anew',
    async (how) => {
      const topic = new FakeTopic();
      topic[how] = true;
      const reports = await relayed(topic, [1, 2, 3].map(eventAt));
      expect(topic.remade).toBe(1);
      expect(topic.stored).toEqual([10n, 20n, 30n]);
      expect(reports.map(({ kind }) => kind)).toContain('remade');
    },
  );

  it('that has events which the store has not, as after a backup was put back, is made anew', async () => {
    const topic = new FakeTopic();
    topic.stored = [10n, 20n, 30n, 40n];
    const reports = await relayed(topic, [1, 2].map(eventAt));
    expect(topic.remade).toBe(1);
    expect(topic.stored).toEqual([10n, 20n]);
    const reason = reports.find((report) => report.kind === 'remade')?.reason;
    expect(reason).toMatch(/the store ends at 20/);
  });

  it('that ends with an event which the store has not, since it was put back and grew beyond, is made anew', async () => {
    const topic = new FakeTopic();
    topic.stored = [10n, 20n, 25n];
    const reports = await relayed(topic, [1, 2, 3].map(eventAt));
    expect(topic.remade).toBe(1);
    expect(topic.stored).toEqual([10n, 20n, 30n]);
    expect(reports.find((report) => report.kind === 'remade')?.reason).toMatch(/no event begins at 25/);
  });

  // Found by the simulation: what the stream had had before was passed over, and its end had another neighbour.
  it('whose end is older than what it has had gets what follows that end once more', async () => {
    const topic = new FakeTopic();
    topic.stored = [10n, 20n, 30n, 10n];
    for (const [index, n] of [1, 2, 3].entries()) topic.ids.set(`event ${n}`, index + 1);
    await relayed(topic, [1, 2, 3, 4].map(eventAt));
    expect(topic.stored.slice(3)).toEqual([10n, 20n, 30n, 40n]);
  });

  // Found by the simulation (seed 253): that it knew the events hid that it stored nothing.
  it('whose end is older than what it has had, and that stores nothing, is made anew', async () => {
    const topic = new FakeTopic();
    topic.stored = [10n, 20n, 30n, 10n];
    for (const [index, n] of [1, 2, 3].entries()) topic.ids.set(`event ${n}`, index + 1);
    topic.isSilent = true;
    await relayed(topic, [1, 2, 3, 4].map(eventAt));
    expect(topic.remade).toBe(1);
    expect(topic.stored).toEqual([10n, 20n, 30n, 40n]);
  });
});
