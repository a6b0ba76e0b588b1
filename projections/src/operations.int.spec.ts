import { randomUUID } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import { instant, partitionOf, SkipParkedEvent, streamOf, tenantOf, type UserId } from '@oo/contracts';
import {
  BuiltElsewhere,
  connectNats,
  EventStore,
  PostgresReadModel,
  parkedOf,
  pause,
  type ReadModels,
  readModels,
  rebuild,
  resume,
  retryParked,
  sendCommand,
  unfinishedRebuild,
  verify,
} from '@oo/event-sourcing';
import { type RunningService, startService } from '@oo/service-host';
import { type Backbone, startBackbone } from '@oo/service-host/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { projectionsConfig } from './configuration.js';
import {
  currentTip,
  openDeadlines,
  PROJECTIONS,
  ProjectionsModule,
  progressOf,
  standingOf,
  timelinePage,
  waitFor,
} from './index.js';
import { lifeOf, someone, uuid } from './testing/events.js';
import { record } from './testing/recorder.js';
import { TestRelay } from './testing/relay.js';

// What an operator does to read models while they are in use.

// Much of it waits for workers that share two cores with everything else.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let backbone: Backbone;
let store: EventStore;
let nats: NatsConnection;
let sql: ReadModels;
const services: RunningService[] = [];
const LONG = 20_000;
const { timeline, 'current-tip': tips } = PROJECTIONS;

beforeAll(async () => {
  backbone = await startBackbone({ postgres: true, ownBroker: true, ownEventStore: true });
  store = EventStore.connect(backbone.eventStoreUrl);
  nats = await connectNats(backbone.natsUrl, 'test');
  sql = readModels(backbone.readModelsUrl, { max: 8 });
  await new TestRelay(nats, store).makeStream();
});
afterEach(async () => {
  for (const service of services.splice(0)) await service.close();
});
afterAll(async () => {
  await sql?.end();
  await nats?.close();
  await store?.close();
  await backbone?.close();
});

async function start(partitions = 'all'): Promise<RunningService> {
  const service = await startService(
    { name: 'projections', config: projectionsConfig, modules: [ProjectionsModule] },
    { ...backbone.environment, OO_PARTITIONS: partitions },
  );
  services.push(service);
  await expect
    .poll(async () => (await service.parts.health.ready()).status, { timeout: LONG, interval: 20 })
    .toBe('ok');
  return service;
}

async function atHead(): Promise<bigint> {
  const position = (await store.head()) ?? -1n;
  for (const name of ['current-tip', 'timeline', 'decisions', 'deadlines'] as const) {
    expect(await waitFor(sql, name, { position }, LONG)).toBe('reached');
  }
  return position;
}

const moods = (user: UserId, count: number) =>
  Array.from({ length: count }, (_, index) => lifeOf(user).mood((index % 5) - 2));

/** Somebody whose partition lies in a range. */
function someoneIn(from: number, until: number): UserId {
  for (;;) {
    const user = someone();
    if (partitionOf(user) >= from && partitionOf(user) < until) return user;
  }
}

describe('a rebuild', () => {
  it('is interrupted and goes on, and is swapped in under a worker and readers that notice nothing', async () => {
    await start();
    const user = someone();
    await record(store, ...moods(user, 500));
    await atHead();
    await sql`update timeline_v1.timeline set producer = 'spoiled' where user_id = ${user}`;

    const interrupting = new AbortController();
    const first = await rebuild(sql, timeline, store, {
      batch: 50,
      signal: interrupting.signal,
      progress: ({ read }) => read >= 200 && interrupting.abort(),
    });
    expect(first).toMatchObject({ outcome: 'interrupted', resumedAt: -1n });
    expect(await unfinishedRebuild(sql, timeline)).toEqual({ position: first.position, running: false });
    expect((await timelinePage(sql, user, { limit: 1 })).items[0]?.producer).toBe('spoiled');

    // While it goes on, others write and read.
    let going = true;
    const writing = (async () => {
      let written = 0;
      while (going || written < 20) {
        await record(store, lifeOf(user).mood(0));
        written++;
      }
      return written;
    })();
    const reading = (async () => {
      let newest = -1n;
      let reads = 0;
      while (going) {
        const { items } = await timelinePage(sql, user, { limit: 500 });
        // Never fewer rows than before, never older ones.
        expect(items).toHaveLength(500);
        const position = items[0]?.position ?? -1n;
        expect(position).toBeGreaterThanOrEqual(newest);
        newest = position;
        reads++;
      }
      return reads;
    })();
    const shares: number[] = [];
    const second = await rebuild(sql, timeline, store, {
      batch: 50,
      progress: ({ share, remainingMs }) => {
        shares.push(share);
        expect(remainingMs).toBeGreaterThanOrEqual(0);
      },
    });
    await rebuild(sql, timeline, store, { batch: 100 });
    going = false;
    const written = await writing;
    expect(await reading).toBeGreaterThan(0);
    expect(second).toMatchObject({ outcome: 'swapped', resumedAt: first.position });
    expect(shares).toEqual([...shares].sort((one, other) => one - other));
    expect(await unfinishedRebuild(sql, timeline)).toBeUndefined();

    await atHead();
    const { digest, expected, rows, differences } = await verify(sql, timeline, store);
    expect(differences).toEqual([]);
    expect(digest).toBe(expected);
    expect(rows).toBeGreaterThanOrEqual(500 + written);
    const [left] = await sql`select count(*)::int as count from pg_namespace where nspname ~ '^timeline_v1_'`;
    expect(left).toEqual({ count: 0 });
  }, 120_000);

  it('and a pause wait for a worker that has begun to write', async () => {
    await start();
    await record(store, ...moods(someone(), 5));
    await atHead();
    const isWaiting = async () => {
      const waiting = await sql`select from pg_locks where locktype = 'advisory' and not granted`;
      return waiting.length > 0;
    };
    for (const outside of [() => rebuild(sql, tips, store), () => pause(sql, 'current-tip', tips.schema)]) {
      const begun = Promise.withResolvers<void>();
      const end = Promise.withResolvers<void>();
      const writing = new PostgresReadModel(sql, tips).transaction(async () => {
        begun.resolve();
        await end.promise;
      });
      await begun.promise;
      let done = false;
      const waiting = outside().then(() => {
        done = true;
      });
      await expect.poll(isWaiting, { timeout: LONG }).toBe(true);
      expect(done).toBe(false);
      end.resolve();
      await Promise.all([writing, waiting]);
    }
    await resume(sql, 'current-tip');
  });

  it('is one at a time', async () => {
    await start();
    await record(store, ...moods(someone(), 50));
    await atHead();
    let refused: unknown;
    await rebuild(sql, tips, store, {
      batch: 10,
      progress: () => {
        refused ??= rebuild(sql, tips, store).catch((error: unknown) => error);
      },
    });
    expect(await refused).toBeInstanceOf(BuiltElsewhere);
  });

  it('makes tables that no worker has made yet', async () => {
    await record(store, ...moods(someone(), 5));
    await sql`drop schema if exists current_tip_v1 cascade`;
    await rebuild(sql, tips, store);
    expect(await progressOf(sql, 'current-tip')).toBe(await store.head());
  });
});

describe('a pause', () => {
  it('holds from the moment it is given until it is taken back, also over a start', async () => {
    const service = await start();
    const user = someone();
    const before = await atHead();
    await pause(sql, 'timeline', timeline.schema);
    const { position } = await record(store, ...moods(user, 5));
    expect(await waitFor(sql, 'decisions', { position }, LONG)).toBe('reached');
    expect(await progressOf(sql, 'timeline')).toBe(before);
    expect((await timelinePage(sql, user, { limit: 5 })).items).toEqual([]);
    await expect
      .poll(async () => (await service.parts.health.ready()).checks.timeline, { timeout: LONG })
      .toMatchObject({ ok: true, detail: { paused: true } });
    expect(await standingOf(sql, store, 'timeline', Date.now())).toMatchObject({
      pausedSince: expect.any(String),
      lag: { events: 5 },
    });

    await services.pop()?.close();
    await start();
    expect(await progressOf(sql, 'timeline')).toBe(before);
    expect(await resume(sql, 'timeline')).toBe(true);
    expect(await resume(sql, 'timeline')).toBe(false);
    expect(await waitFor(sql, 'timeline', { position }, LONG)).toBe('reached');
    expect((await timelinePage(sql, user, { limit: 5 })).items).toHaveLength(5);
    expect(await standingOf(sql, store, 'timeline', Date.now())).toMatchObject({
      pausedSince: null,
      lag: { events: 0, seconds: 0 },
    });
    // Postgres counts some seconds late.
    await expect
      .poll(async () => (await standingOf(sql, store, 'timeline', Date.now())).rows, { timeout: LONG })
      .toBeGreaterThanOrEqual(5);
  });
});

describe('a parked event', () => {
  it('is applied when it is tried again and what stood in its way is gone', async () => {
    await start();
    const [ada, bob] = [someone(), someone()];
    await atHead();
    await sql.unsafe(`alter table current_tip_v1.current_tip add constraint no check (user_id <> '${ada}')`);
    const id = uuid(`${ada} tip`);
    await record(store, lifeOf(ada).proposed({ id, choice: 'demo:task:1' }));
    await record(store, lifeOf(ada).shown(id, '2026-01-05T08:01:00Z'));
    await record(store, lifeOf(bob).proposed({ id: uuid(`${bob} tip`), choice: 'demo:task:2' }));
    await atHead();
    expect(await parkedOf(sql, tips)).toMatchObject([
      { owner: ada, type: 'TipProposed', behind: 1, error: expect.stringContaining('constraint') },
    ]);
    expect(await currentTip(sql, bob)).toMatchObject({ tip: { ref: 'demo:task:2' } });
    expect(await retryParked(sql, tips, store, ada)).toMatchObject({ applied: 0 });
    expect(await parkedOf(sql, tips)).toMatchObject([{ owner: ada, behind: 1 }]);

    await sql`alter table current_tip_v1.current_tip drop constraint no`;
    expect(await retryParked(sql, tips, store, ada)).toMatchObject({ applied: 2, parked: [] });
    expect(await parkedOf(sql, tips)).toEqual([]);
    expect(await currentTip(sql, ada)).toMatchObject({ tip: { shownAt: '2026-01-05T08:01:00Z' } });
    const { digest, expected } = await verify(sql, tips, store);
    expect(digest).toBe(expected);
  });

  it('is left out by word of an operator, and stays left out when the rows are made anew', async () => {
    await start();
    const ada = someone();
    const [broken, whole] = [uuid(`${ada} broken`), uuid(`${ada} whole`)];
    // A time that Postgres cannot hold.
    await record(
      store,
      lifeOf(ada).proposed({ id: broken, choice: 'demo:task:1', at: '0000-01-01T00:00:00Z' }),
    );
    // By itself: together with what comes behind it the row would never be written.
    await atHead();
    await record(store, lifeOf(ada).expired(broken, false));
    await record(store, lifeOf(ada).proposed({ id: whole, choice: 'demo:task:2' }));
    await atHead();
    const [parked] = await parkedOf(sql, tips, ada);
    expect(parked).toMatchObject({ stream: streamOf('tips', ada), revision: 0n, behind: 2 });
    expect(await currentTip(sql, ada)).toMatchObject({ tip: null });

    const reply = await skip(ada, 'current-tip', 0n, 'a time that Postgres cannot hold');
    expect(reply.result).toMatchObject({ $case: 'recorded', recorded: { stream: streamOf('skips', ada) } });
    const position = await atHead();
    expect(await waitFor(sql, 'current-tip', { position, user: ada }, LONG)).toBe('reached');
    expect(await parkedOf(sql, tips, ada)).toEqual([]);
    expect(await currentTip(sql, ada)).toMatchObject({ tip: { tipId: whole } });
    // Another read model has said nothing of the kind.
    expect(await parkedOf(sql, PROJECTIONS.decisions, ada)).toHaveLength(1);

    const { digest, expected } = await verify(sql, tips, store);
    expect(digest).toBe(expected);
    await rebuild(sql, tips, store);
    expect(await currentTip(sql, ada)).toMatchObject({ tip: { tipId: whole } });
    await sql`drop schema current_tip_v1 cascade`;
    await expect
      .poll(async () => (await currentTip(sql, ada).catch(() => undefined))?.tip?.tipId, { timeout: LONG })
      .toBe(whole);
    expect((await store.readLast(streamOf('skips', ada), 1))[0]?.data).toMatchObject({
      projection: 'current-tip',
      reason: 'a time that Postgres cannot hold',
    });
  });
});

function skip(user: UserId, projection: string, revision: bigint, reason: string) {
  const commandId = randomUUID();
  const at = instant(Date.now());
  const context = {
    commandId,
    userId: user,
    tenantId: tenantOf(user),
    correlationId: commandId,
    causationId: commandId,
    producer: 'test',
    occurredAt: at,
    receivedAt: at,
  };
  const skipped = { projection, stream: streamOf('tips', user), revision, eventType: 'TipProposed', reason };
  return sendCommand(nats, 'SkipParkedEvent', user, SkipParkedEvent.toJSON({ context, skipped }));
}

describe('reading one’s own writes', () => {
  it('works with workers that have a part of the people each, and ends when its time is over', async () => {
    await start('0-31');
    const [low, high] = [someoneIn(0, 32), someoneIn(32, 64)];
    const one = await record(store, ...moods(low, 3));
    const two = await record(store, ...moods(high, 3));
    const [mine, theirs] = [
      { stream: streamOf('signals', low), revision: one.revision },
      { stream: streamOf('signals', high), revision: two.revision },
    ];
    expect(await waitFor(sql, 'timeline', mine, LONG)).toBe('reached');
    expect(await waitFor(sql, 'timeline', { position: one.position, user: low }, LONG)).toBe('reached');
    expect((await timelinePage(sql, low, { limit: 10 })).items).toHaveLength(3);
    // Nobody has the other half yet.
    expect(await waitFor(sql, 'timeline', theirs, 100)).toBe('timeout');
    expect(await waitFor(sql, 'timeline', { position: two.position, user: high }, 100)).toBe('timeout');
    expect(await waitFor(sql, 'timeline', { position: one.position }, 100)).toBe('timeout');
    await start('32-63');
    expect(await waitFor(sql, 'timeline', theirs, LONG)).toBe('reached');
    expect(await waitFor(sql, 'timeline', { position: two.position }, LONG)).toBe('reached');
    expect((await timelinePage(sql, high, { limit: 10 })).items).toHaveLength(3);
  });
});

describe('a query', () => {
  it('holds up no writer, however long it takes', async () => {
    await start();
    const user = someone();
    await record(store, ...moods(user, 3));
    await atHead();
    await sql.begin('isolation level repeatable read', async (held) => {
      // The same connection type, within a transaction that stays open.
      const within = held as unknown as ReadModels;
      await timelinePage(within, user, { limit: 10 });
      await currentTip(within, user);
      await openDeadlines(within, user);
      const locks = await held<{ mode: string }[]>`
        select distinct mode from pg_locks where pid = pg_backend_pid() and locktype = 'relation'`;
      expect(locks.map(({ mode }) => mode)).toEqual(['AccessShareLock']);
      const { position } = await record(store, ...moods(user, 3));
      for (const name of ['timeline', 'current-tip', 'deadlines'] as const) {
        expect(await waitFor(sql, name, { position }, LONG)).toBe('reached');
      }
    });
  });

  it('of a page reads as much of a timeline of 100,000 events at its end as at its beginning', async () => {
    await start();
    const user = someone();
    await sql`
      insert into timeline_v1.timeline (user_id, position, event_id, type, stream, revision, producer, occurred_at,
        recorded_at, features)
      select ${user}, n, gen_random_uuid(), 'MoodReported', ${streamOf('signals', user)}, n, 'test', now(), now(), '{}'
      from generate_series(1, 100000) n`;
    await sql`vacuum analyze timeline_v1.timeline`;
    const blocks = async (before: number): Promise<number> => {
      const statement = `explain (analyze, buffers, format json)
        select * from timeline_v1.timeline where user_id = '${user}' and position < ${before}
        order by position desc limit 101`;
      const [row] = await sql.unsafe<{ 'QUERY PLAN': [{ Plan: Plan }] }[]>(statement);
      const plan = row?.['QUERY PLAN'][0].Plan;
      if (plan === undefined) throw new Error('no plan');
      expect(plan['Actual Rows']).toBe(101);
      return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    };
    const first = await blocks(100_001);
    for (const before of [75_000, 50_000, 25_000, 102]) {
      expect(await blocks(before)).toBeLessThanOrEqual(first + 4);
    }
    expect(first).toBeLessThan(120);
    // And so it is asked: a page at the end is as the query gives it.
    const { items, next } = await timelinePage(sql, user, { before: 102n, limit: 100 });
    expect(items).toHaveLength(100);
    expect(next).toBe(items.at(-1)?.position);
    await sql`delete from timeline_v1.timeline where user_id = ${user}`;
  });
});

interface Plan {
  readonly 'Actual Rows': number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
}
