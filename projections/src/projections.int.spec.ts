import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { NatsConnection } from '@nats-io/transport-node';
import { changedSubject, type DecisionId, QUERIES, streamOf, type UserId } from '@oo/contracts';
import {
  connectNats,
  EventStore,
  type GivenEvent,
  type ProjectionDefinition,
  type ReadModels,
  readModels,
  rebuild,
  verify,
} from '@oo/event-sourcing';
import { type RunningService, startService } from '@oo/service-host';
import { type Backbone, startBackbone } from '@oo/service-host/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { projectionsConfig } from './configuration.js';
import {
  currentTip,
  decisionById,
  decisionsPage,
  dueDeadlines,
  nextDeadline,
  PROJECTIONS,
  type ProjectionName,
  ProjectionsModule,
  progressOf,
  timelinePage,
  waitFor,
} from './index.js';
import { lifeOf, someone, uuid } from './testing/events.js';
import { record } from './testing/recorder.js';
import { TestRelay } from './testing/relay.js';

let backbone: Backbone;
let store: EventStore;
let nats: NatsConnection;
let relay: TestRelay;
let sql: ReadModels;
let service: RunningService | undefined;

beforeAll(async () => {
  backbone = await startBackbone({ postgres: true, ownBroker: true, ownEventStore: true });
  store = EventStore.connect(backbone.eventStoreUrl);
  nats = await connectNats(backbone.natsUrl, 'test');
  relay = new TestRelay(nats, store);
  sql = readModels(backbone.readModelsUrl, { max: 4 });
  await relay.makeStream();
});
afterEach(async () => {
  await service?.close();
  service = undefined;
});
afterAll(async () => {
  await sql?.end();
  await nats?.close();
  await store?.close();
  await backbone?.close();
});

const NAMES = Object.keys(PROJECTIONS) as ProjectionName[];
const LONG = 20_000;

async function start(): Promise<void> {
  service = await startService(
    { name: 'projections', config: projectionsConfig, modules: [ProjectionsModule] },
    backbone.environment,
  );
  await expect
    .poll(async () => (await service?.parts.health.ready())?.status, { timeout: LONG, interval: 20 })
    .toBe('ok');
}

/** Waits until every read model has handled all that the store holds. */
async function atHead(): Promise<void> {
  const position = (await store.head()) ?? -1n;
  for (const name of NAMES) expect(await waitFor(sql, name, { position }, LONG)).toBe('reached');
}

/** All rows of all read models, with the marks of the streams, as text. */
async function allRows(): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {};
  for (const { schema, tables } of Object.values<ProjectionDefinition>(PROJECTIONS)) {
    for (const name of [...tables.map((table) => table.name), 'streams']) {
      const rows = await sql<{ row: string }[]>`
        select t::text as row from ${sql(schema)}.${sql(name)} t order by 1`;
      all[`${schema}.${name}`] = rows.map(({ row }) => row);
    }
  }
  return all;
}

/** A busy person: `count` decisions, each answered, with moods between. */
function busyLife(user: UserId, count: number, from = 0): GivenEvent[] {
  const life = lifeOf(user);
  return Array.from({ length: count }, (_, index) => {
    const id = uuid(`${user} ${from + index}`);
    return [
      life.mood((index % 5) - 2),
      life.proposed({ id, choice: `demo:task:${index}` }),
      life.shown(id, '2026-01-05T08:01:00Z'),
      life.completed(id, '2026-01-05T08:02:00Z'),
    ];
  }).flat();
}

describe('the read models', () => {
  it('reflect what happens, tell so, and can be waited for', async () => {
    await start();
    await atHead();
    const user = someone();
    const life = lifeOf(user);
    const id = uuid(`${user} tip`) as DecisionId;
    const hints = nats.subscribe(changedSubject('current-tip', user), { max: 1 });
    expect(await currentTip(sql, user)).toEqual({ tip: null, revision: -1n });

    const before = await store.head();
    const { revision, position } = await record(
      store,
      life.mood(1, '2026-01-05T07:59:00Z'),
      life.proposed({ id, choice: 'demo:task:1' }),
    );
    await relay.publishAfter(before);
    const target = { stream: streamOf('tips', user), revision };
    expect(await waitFor(sql, 'current-tip', target, LONG)).toBe('reached');
    const tip = {
      tipId: id,
      kind: 'todo',
      ref: 'demo:task:1',
      proposedAt: '2026-01-05T08:00:00Z',
      holdsUntil: '2026-01-05T10:00:00Z',
      shownAt: null,
    };
    expect(await currentTip(sql, user)).toEqual({ tip, revision });
    for await (const hint of hints) expect(hint.json()).toMatchObject({ revision: String(revision) });

    await atHead();
    expect(await decisionById(sql, id)).toMatchObject({ userId: user, kind: 'proposed', position });
    const { items } = await timelinePage(sql, user, { limit: 10 });
    expect(items.map(({ type }) => type)).toEqual(['TipProposed', 'MoodReported']);
    expect(await nextDeadline(sql)).toMatchObject({ userId: user, decisionId: id });
    expect(await dueDeadlines(sql, '2026-01-05T10:09:59Z', 10)).toEqual([]);
    expect(await dueDeadlines(sql, '2026-01-05T10:10:00Z', 10)).toEqual([
      { userId: user, decisionId: id, dueAt: '2026-01-05T10:10:00Z', ref: 'demo:task:1' },
    ]);
    for (const name of ['current-tip', 'timeline', 'decisions']) {
      const body = JSON.stringify({ position: String(position), timeoutMs: 1000 });
      const reply = await nats.request(QUERIES.progress(name), body);
      expect(reply.json()).toMatchObject({ settled: true });
    }
  });

  it('do without the broker, and go back to it when it is there again', async () => {
    await start();
    await atHead();
    const user = someone();
    await relay.deleteStream();
    onTestFinished(() => relay.makeStream());
    await record(store, ...busyLife(user, 20));
    await atHead();
    expect((await decisionsPage(sql, user, { limit: 50 })).items).toHaveLength(20);

    await relay.makeStream();
    const before = await store.head();
    await record(store, ...busyLife(user, 20, 20));
    await relay.publishAfter(before);
    await atHead();
    expect((await decisionsPage(sql, user, { limit: 50 })).items).toHaveLength(40);
    const together = await allRows();
    await rebuilt();
    expect(await allRows()).toEqual(together);
  });

  it('find in the store what the broker left out', async () => {
    await start();
    await atHead();
    const user = someone();
    const before = await store.head();
    await record(store, ...busyLife(user, 5));
    await relay.publishAfter(before, ({ type }) => type === 'TipProposed' || type === 'MoodReported');
    await atHead();
    const { items } = await timelinePage(sql, user, { limit: 100 });
    expect(items.map(({ position }) => position)).toEqual(
      items.map(({ position }) => position).sort((one, other) => (one > other ? -1 : 1)),
    );
    expect(items).toHaveLength(20);
  });

  it('take what happens from the broker, and read the store no more than they have to', async () => {
    await start();
    const user = someone();
    const counts = async () => {
      const report = await service?.parts.health.ready();
      return z.object({ applied: z.number(), duplicates: z.number() }).parse(report?.checks.timeline?.detail);
    };
    const before = await counts();
    for (let index = 0; index < 50; index++) {
      const head = await store.head();
      await record(store, lifeOf(user).mood(1));
      await relay.publishAfter(head);
    }
    await atHead();
    const after = await counts();
    expect(after.applied - before.applied).toBe(50);
    // What the store had given first comes again from the broker: the first one, and what a look into the store met.
    expect(after.duplicates - before.duplicates).toBeLessThan(10);
  });

  it('have a page of a long timeline for what the first costs', async () => {
    const user = someone();
    await record(store, ...Array.from({ length: 700 }, (_, index) => lifeOf(user).mood((index % 5) - 2)));
    await start();
    await atHead();
    const seen: bigint[] = [];
    let before: bigint | undefined;
    do {
      const page = await timelinePage(sql, user, { limit: 100, ...(before === undefined ? {} : { before }) });
      seen.push(...page.items.map(({ position }) => position));
      before = page.next ?? undefined;
    } while (before !== undefined);
    expect(seen).toHaveLength(700);
    expect(seen).toEqual([...new Set(seen)].sort((one, other) => (one > other ? -1 : 1)));
    const middle = String(seen[350]);
    const plan = await sql.unsafe<{ 'QUERY PLAN': string }[]>(
      `explain (analyze, costs off, timing off, summary off)
       select * from timeline_v1.timeline where user_id = '${user}' and position < ${middle}
       order by position desc limit 100`,
    );
    const text = plan.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).toMatch(/Index Scan Backward using timeline_pkey .*rows=100\.00 loops=1/);
    expect(text).not.toContain('Sort');
  });
});

describe('verify', () => {
  it('finds nothing where rows are as the store says, and names a row that is not', async () => {
    await start();
    const user = someone();
    await record(store, ...busyLife(user, 5));
    await atHead();
    for (const projection of Object.values(PROJECTIONS)) {
      const right = await verify(sql, projection, store);
      expect(right.digest).toBe(right.expected);
    }
    await sql`update timeline_v1.timeline set ref = 'demo:task:none' where user_id = ${user} and type = 'TipShown'`;
    const { digest, expected, differences } = await verify(sql, PROJECTIONS.timeline, store);
    expect(digest).not.toBe(expected);
    expect(differences).toHaveLength(5);
    expect(differences[0]).toMatchObject({
      table: 'timeline',
      actual: { user_id: user, ref: 'demo:task:none' },
      expected: { user_id: user, ref: null },
    });
    await rebuild(sql, PROJECTIONS.timeline, store);
    const mended = await verify(sql, PROJECTIONS.timeline, store);
    expect(mended).toMatchObject({ digest: expected, expected, differences: [] });
  }, 90_000);
});

async function rebuilt(): Promise<void> {
  await service?.close();
  for (const { schema } of Object.values(PROJECTIONS)) await sql`drop schema ${sql(schema)} cascade`;
  await start();
  await atHead();
}

describe('nothing is lost and nothing doubled', () => {
  it('when the schemas are dropped under a running worker', async () => {
    await start();
    const user = someone();
    await record(store, ...busyLife(user, 30));
    await atHead();
    const before = await allRows();
    for (const { schema } of Object.values(PROJECTIONS)) await sql`drop schema ${sql(schema)} cascade`;
    await atHead();
    expect(await allRows()).toEqual(before);
  });

  it('when the database is gone between two starts', async () => {
    await start();
    await record(store, ...busyLife(someone(), 30));
    await atHead();
    const before = await allRows();
    await service?.close();
    const url = new URL(backbone.readModelsUrl);
    const name = url.pathname.slice(1);
    url.pathname = '/postgres';
    const maintenance = readModels(url.href, { max: 1 });
    await maintenance`drop database ${maintenance(name)} with (force)`;
    await maintenance.end();
    await start();
    await atHead();
    expect(await allRows()).toEqual(before);
  });

  it('when the process is killed over and over in the middle of its work', async () => {
    const people = Array.from({ length: 12 }, someone);
    for (const user of people) {
      const life = busyLife(user, 100);
      await record(store, ...life.filter(({ type }) => type === 'MoodReported'));
      await record(store, ...life.filter(({ type }) => type !== 'MoodReported'));
    }
    for (const { schema } of Object.values(PROJECTIONS)) {
      await sql`drop schema if exists ${sql(schema)} cascade`;
    }
    let progressed = -1n;
    for (let round = 0; round < 3; round++) {
      const child = spawnProjections();
      // Killed as soon as it has got a little further than the one before it.
      await expect
        .poll(() => progressOf(sql, 'timeline'), { timeout: LONG, interval: 3 })
        .toBeGreaterThan(progressed);
      await killed(child);
      progressed = await progressOf(sql, 'timeline');
    }
    expect(progressed).toBeLessThan((await store.head()) ?? 0n);
    await start();
    await atHead();
    const pieced = await allRows();
    await rebuilt();
    expect(await allRows()).toEqual(pieced);
    for (const user of people) {
      expect((await timelinePage(sql, user, { limit: 500 })).items).toHaveLength(400);
    }
  }, 90_000);

  it('when two processes work on the same partitions at once', async () => {
    await start();
    const other = spawnProjections();
    onTestFinished(() => killed(other));
    const users = Array.from({ length: 5 }, someone);
    for (let round = 0; round < 5; round++) {
      const before = await store.head();
      await Promise.all(users.map((user) => record(store, ...busyLife(user, 4, round * 4))));
      await relay.publishAfter(before);
    }
    await atHead();
    const together = await allRows();
    await killed(other);
    await rebuilt();
    expect(await allRows()).toEqual(together);
  }, 90_000);
});

describe('an event that cannot be applied', () => {
  it('parks its person and no other', async () => {
    await start();
    await atHead();
    const [ada, bob] = [someone(), someone()];
    const [one, two] = [uuid(`${ada} one`), uuid(`${bob} two`)];
    // A time that Postgres cannot hold: the event reads well and the row is refused.
    const beyond = '0000-01-01T00:00:00Z';
    await record(store, lifeOf(ada).proposed({ id: one, choice: 'demo:task:1', at: beyond }));
    await record(store, lifeOf(ada).shown(one, '2026-01-05T08:10:00Z'));
    const { position } = await record(store, lifeOf(bob).proposed({ id: two, choice: 'demo:task:2' }));
    const { revision } = (await store.readLast(streamOf('tips', ada), 1))[0] ?? { revision: -1n };
    await atHead();
    expect(await currentTip(sql, ada)).toEqual({ tip: null, revision: -1n });
    expect(await currentTip(sql, bob)).toMatchObject({ tip: { tipId: two } });
    const target = { stream: streamOf('tips', ada), revision };
    expect(await waitFor(sql, 'current-tip', target, LONG)).toBe('parked');
    expect(await progressOf(sql, 'current-tip')).toBeGreaterThanOrEqual(position);
    const parked = await sql`
      select type, error is null as behind from current_tip_v1.parked where owner = ${ada} order by position`;
    expect([...parked]).toEqual([
      { type: 'TipProposed', behind: false },
      { type: 'TipShown', behind: true },
    ]);
  });
});

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));

function spawnProjections(): ChildProcess {
  return spawn(process.execPath, [main], {
    env: { ...process.env, ...backbone.environment },
    stdio: 'inherit',
  });
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
