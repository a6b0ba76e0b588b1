import { randomUUID } from 'node:crypto';
import {
  type DomainEvent,
  type EventEnvelope,
  type Instant,
  QUERIES,
  recorded,
  STREAM_DELETED,
  streamOf,
} from '@oo/contracts';
import { requestJson } from '@oo/event-sourcing';
import { hostConfig, type RunningService, startService } from '@oo/service-host';
import {
  appendDirectly,
  type Backbone,
  deleteForGood,
  someone,
  startBackbone,
} from '@oo/service-host/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RelayModule } from './relay.module.js';

const AT = '2026-03-02T08:00:00Z' as Instant;

let backbone: Backbone;
let service: RunningService;
const user = someone();
const other = someone();
const mood: DomainEvent = { type: 'MoodReported', data: { valence: 1, energy: 0 } };

beforeAll(async () => {
  backbone = await startBackbone();
  service = await startService(
    { name: 'relay', config: hostConfig, modules: [RelayModule] },
    backbone.environment,
  );
  const { eventStore } = service.parts;
  for (let index = 0; index < 40; index++) {
    const own: DomainEvent =
      index % 3 === 0 ? { type: 'UserRegistered', data: { utcOffsetMinutes: index } } : mood;
    await appendDirectly(eventStore, user, [own], AT);
    await appendDirectly(eventStore, other, [mood], AT);
  }
});
afterAll(async () => {
  await service?.close();
  await backbone?.close();
});

const aRecordOf4KiB = recorded.events.TipWithheld.shape.decision.parse({
  decisionId: randomUUID(),
  decidedAt: AT,
  trigger: { kind: 'TRIGGER_KIND_SIGNAL', id: randomUUID(), at: AT },
  policy: 'heuristic',
  policyVersion: 'v1',
  priorVersion: 'none',
  stateDigest: '00'.repeat(32),
  candidates: Array.from({ length: 16 }, (_, index) => ({
    ref: `demo:task:${index}`,
    kind: 'TIP_KIND_TODO',
    features: Array.from({ length: 10 }, (_, feature) => feature / 3),
    probability: 1 / 16,
  })),
  seed: '00'.repeat(8),
  holdsUntil: AT,
});

interface Page {
  readonly events: EventEnvelope[];
  readonly next: string | null;
  readonly head: string;
}
const ask = async (query: unknown) =>
  (await requestJson(service.parts.nats, QUERIES.historyRead, query, 20_000)) as Page;

async function all(query: Record<string, unknown>): Promise<EventEnvelope[]> {
  const events: EventEnvelope[] = [];
  for (let after: string | undefined; ; ) {
    const page = await ask({ ...query, ...(after === undefined ? {} : { after }) });
    events.push(...page.events);
    if (page.next === null) return events;
    after = page.next;
  }
}
const streams = [streamOf('user', user), streamOf('signals', user), streamOf('tips', user)];
const inOrder = (events: readonly EventEnvelope[]) =>
  events.every(
    (event, index) => index === 0 || BigInt(event.position) > BigInt(events[index - 1]?.position ?? 0),
  );

describe('the history', () => {
  it('gives the streams of a person merged by position, whatever the page', async () => {
    const whole = await all({ streams });
    expect(whole).toHaveLength(40);
    expect(inOrder(whole)).toBe(true);
    for (const name of streams.slice(0, 2)) {
      const own = whole.filter(({ stream }) => stream === name);
      expect(own.map(({ revision }) => revision)).toEqual(own.map((_, index) => String(index)));
    }
    for (const limit of [1, 7, 39, 40]) expect(await all({ streams, limit })).toEqual(whole);
  });

  it('finds any cursor, also one that it has not given', async () => {
    const whole = await all({ streams });
    for (const index of [0, 1, 17, 38, 39]) {
      const after = whole[index]?.position;
      expect((await ask({ streams, after })).events).toEqual(whole.slice(index + 1));
    }
    const foreign = (await all({ streams: [streamOf('signals', other)] }))[20]?.position;
    const expected = whole.filter(({ position }) => BigInt(position) > BigInt(foreign ?? 0));
    expect((await ask({ streams, after: foreign })).events).toEqual(expected);
  });

  it('stops at a position, inclusive', async () => {
    const whole = await all({ streams });
    const until = whole[12]?.position;
    expect(await all({ streams, until, limit: 5 })).toEqual(whole.slice(0, 13));
  });

  it('gives everything behind a position', async () => {
    const whole = await all({ streams: [...streams, streamOf('signals', other)] });
    const mine = (events: EventEnvelope[]) =>
      events.filter(({ stream }) => stream.endsWith(user) || stream.endsWith(other));
    const from = whole[10]?.position;
    expect(mine(await all({ fromPosition: from, limit: 13 }))).toEqual(whole.slice(11));
    expect(inOrder(await all({ fromPosition: '0', limit: 50 }))).toBe(true);
  });

  it('keeps a reply below what a message of the broker holds', async () => {
    const many = someone();
    const streams = [streamOf('tips', many)];
    const big: DomainEvent = { type: 'TipWithheld', data: { decision: aRecordOf4KiB } };
    const ids: string[] = [];
    for (let batch = 0; batch < 4; batch++) {
      ids.push(...(await appendDirectly(service.parts.eventStore, many, Array(100).fill(big), AT)));
    }
    const body = JSON.stringify({ streams, limit: 5_000 });
    const reply = await service.parts.nats.request(QUERIES.historyRead, body, { timeout: 20_000 });
    expect(reply.data.length).toBeGreaterThan(800 * 1024);
    expect(reply.data.length).toBeLessThan(1024 * 1024);
    expect((await all({ streams, limit: 5_000 })).map(({ id }) => id)).toEqual(ids);
  });

  it('goes on behind an event that is too large for a reply', async () => {
    const many = someone();
    const huge: DomainEvent = { type: 'TaskCompleted', data: { ref: 'x'.repeat(1_000_000) } };
    const ids: (string | undefined)[] = [];
    for (const event of [mood, huge, mood]) {
      ids.push(...(await appendDirectly(service.parts.eventStore, many, [event], AT)));
    }
    const events = await all({ streams: [streamOf('signals', many)], limit: 1 });
    expect(events.map(({ id }) => id)).toEqual([ids[0], ids[2]]);
  });

  it('tells its head, and the relay comes to it', async () => {
    const { position } = (await requestJson(service.parts.nats, QUERIES.historyHead, {})) as {
      position: string;
    };
    expect(BigInt(position)).toBe(await service.parts.eventStore.head());
    const progress = await requestJson(service.parts.nats, QUERIES.progress('relay'), {
      position,
      timeoutMs: 5_000,
    });
    expect(progress).toMatchObject({ settled: true });
    const beyond = String(BigInt(position) + 1_000_000n);
    expect(
      await requestJson(service.parts.nats, QUERIES.progress('relay'), { position: beyond, timeoutMs: 50 }),
    ).toMatchObject({ settled: false });
  });

  it('says of a person whose streams were deleted for good that they left, and where the store has that', async () => {
    const left = someone();
    const streams = [streamOf('user', left), streamOf('signals', left)];
    await appendDirectly(service.parts.eventStore, left, [mood, mood], AT);
    const before = await service.parts.eventStore.head();
    await deleteForGood(service.parts.eventStore, streamOf('signals', left));
    for (const query of [{ streams }, { streams: streams.slice(1) }]) {
      const reply = (await requestJson(service.parts.nats, QUERIES.historyRead, query)) as {
        problem?: unknown;
      };
      expect(reply.problem).toMatchObject({ type: 'urn:oo:problem:unknown-user', status: 404 });
    }
    expect(await all({ streams: streams.slice(0, 1) })).toEqual([]);
    // Whoever goes on from a position is told of it in its place; it outlives a scavenge, unlike the events.
    const behind = await all({ fromPosition: String(before) });
    const records = behind.filter(({ stream }) => stream === streams[1]);
    expect(records).toMatchObject([{ type: STREAM_DELETED, revision: String(2n ** 63n - 1n) }]);
    expect(records[0]).not.toHaveProperty('metadata');
  });

  it('finds the event of a stream at a position, and no other', async () => {
    const [one, two] = (await all({ streams })).slice(-2);
    const at = (position: bigint) =>
      ask({ streams: [one?.stream ?? ''], after: String(position - 1n), until: String(position), limit: 1 });
    expect((await at(BigInt(one?.position ?? 0))).events).toEqual([one]);
    expect((await at(BigInt(one?.position ?? 0) + 1n)).events).toEqual([]);
    expect((await at(BigInt(two?.position ?? 0) + 1_000_000n)).events).toEqual([]);
  });

  it.each([
    ['nothing', {}, '(body)'],
    ['a stream of others', { streams: ['signals-nobody'] }, 'streams.0'],
    ['a limit of 0', { streams, limit: 0 }, 'limit'],
    ['a field too much', { streams, surprise: true }, 'surprise'],
    ['a position that is none', { fromPosition: '-4' }, 'fromPosition'],
  ])('refuses %s and names the field', async (_, query, field) => {
    const { problem } = (await requestJson(service.parts.nats, QUERIES.historyRead, query)) as {
      problem?: { detail: string; errors: { field: string }[] };
    };
    expect(problem?.errors.map((error) => error.field)).toContain(field);
  });
});
