/**
 * What oO needs of postgres.js when its connections break: every statement comes to an end, the pool answers again, and
 * nothing that was meant for one transaction gets into another. As published (3.4.9) it does not do that;
 * `patches/` makes it do so (ADR 0019).
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { within } from '../clock/timing.js';
import { startDatabase, type TestDatabase } from '../testing/database.js';
import { passOn, postgresIsStarting, startTcpServer, urlAt } from '../testing/tcp.js';

let database: TestDatabase;
let pools: Pool[] = [];

beforeAll(async () => {
  database = await startDatabase();
  const { sql } = pool(1);
  await sql`create table entries (who text not null)`;
}, 60_000);
afterEach(async () => {
  await Promise.all(pools.map(({ sql }) => sql.end({ timeout: 0 })));
  pools = [];
});
afterAll(() => database?.close());

interface Pool {
  readonly sql: postgres.Sql;
  /** Its sockets that are open, the oldest first. */
  readonly sockets: Socket[];
  /** From now on an attempt to connect fails, or no longer. */
  refuse(refused: boolean): void;
}

const NOBODY_LISTENS = 1;

const CUT = '/* cut */';

/** @param cutAt connections break before the first statement with this text has been written */
function pool(
  max: number,
  { cutAt = CUT, way = 'closed', more = {} }: { cutAt?: string; way?: Way; more?: object } = {},
): Pool {
  let isCut = false;
  const { hostname, port } = new URL(database.url);
  const sockets: Socket[] = [];
  let isRefused = false;
  const refuse = (refused: boolean) => {
    isRefused = refused;
  };
  const sql = postgres(database.url, {
    max,
    ...more,
    backoff: false,
    onnotice: () => undefined,
    // Between the statement's way into the driver and the immediate in which it is written.
    debug: (_connection: number, statement: string) => {
      if (isCut || !statement.includes(cutAt)) return;
      isCut = true;
      void cut(made, way);
    },
    socket: () => {
      const socket = connect(isRefused ? NOBODY_LISTENS : Number(port), hostname);
      sockets.push(socket);
      socket.once('close', () => sockets.splice(sockets.indexOf(socket), 1));
      return socket;
    },
  } as postgres.Options<Record<string, never>>);
  const made: Pool = { sql, sockets, refuse };
  pools.push(made);
  return made;
}

type Work = (sql: postgres.Sql | postgres.TransactionSql) => Promise<void>;

const LOST = /CONNECTION_CLOSED|ECONNRESET|CONNECTION_DESTROYED/;
const PATIENCE_MS = 5_000;

/** What came of it: `done`, why it was refused, or `silent` where nothing came. */
function outcome(work: PromiseLike<unknown>): Promise<string> {
  const answer = Promise.resolve(work).then(
    () => 'done',
    (error: Error) => error.message,
  );
  return within(PATIENCE_MS, answer, () => 'silent');
}

/** How connections end: with the other side's last byte, or with a reset. */
type Way = 'closed' | 'reset';

const end = (socket: Socket, way: Way) =>
  socket.destroy(
    way === 'closed' ? undefined : Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
  );

/** Ends the pool's connections, and waits until it knows. */
async function cut({ sockets }: Pool, way: Way = 'closed'): Promise<void> {
  await Promise.all(
    sockets.map((socket) => {
      const closed = new Promise((resolve) => socket.once('close', resolve));
      end(socket, way);
      return closed;
    }),
  );
}

const large = (): string => 'x'.repeat(4_000_000);

it('answers again where a connection broke before a statement had been written to it', async () => {
  const db = pool(1);
  await db.sql`select 1`;
  // Behind the immediates of this round of the event loop and before those of the next, sockets say that they closed.
  await turn();
  expect(await outcome(db.sql.unsafe(`select 2 ${CUT}`))).toMatch(LOST);
  expect(await outcome(db.sql`select 3`)).toBe('done');
});

it.each<Way>(['closed', 'reset'])(
  'ends what waits where a connection is %s while it asks for the types of arrays, and asks again',
  async (way) => {
    const db = pool(1, { cutAt: 'typarray', way });
    expect(await outcome(db.sql`select 1`)).toMatch(LOST);
    expect((await db.sql`select array[1, 2] as numbers`)[0]?.numbers).toEqual([1, 2]);
  },
);

it('does not go on without the types of arrays, which it would take for texts', async () => {
  const role = `oo_test_${randomBytes(6).toString('hex')}`;
  const { sql } = pool(1);
  await sql.unsafe(`create role ${role} login password 'test'`);
  try {
    await sql`revoke select on pg_catalog.pg_type from public`;
    const db = pool(1, { more: { username: role, password: 'test' } });
    for (let time = 0; time < 2; time++) {
      expect(await outcome(db.sql`select array[1, 2] as numbers`)).toMatch(
        /permission denied|CONNECTION_CLOSED/,
      );
    }
  } finally {
    await sql`grant select on pg_catalog.pg_type to public`;
    await sql.unsafe(`drop role ${role}`);
  }
});

it('ends what waits for a server behind a proxy that takes connections and drops them', async () => {
  let connections = 0;
  const proxy = await startTcpServer((client) => {
    connections++;
    client.end();
  });
  const sql = postgres(urlAt(proxy.port, database.url), {
    max: 1,
    backoff: (attempt: number) => attempt * 0.1,
  });
  const began = performance.now();
  for (let time = 0; time < 4; time++) expect(await outcome(sql`select 1`)).toMatch(LOST);
  expect(connections).toBe(4);
  // The first comes at once, and each waits longer: 100, 200 and 300 ms.
  expect(performance.now() - began).toBeGreaterThan(599);
  await sql.end();
  await proxy.close();
});

it('says why a server takes no connections, after one that broke', async () => {
  const clients: Socket[] = [];
  const proxy = await startTcpServer((client, number) => {
    if (number > 0) return void client.end(postgresIsStarting());
    passOn(client, database.url);
    clients.push(client);
  });
  const sql = postgres(urlAt(proxy.port, database.url), { max: 1, backoff: false });
  await sql`select 1`;
  const running = outcome(sql`select pg_sleep(10)`);
  await sleep(100);
  clients[0]?.destroy();
  expect(await running).toMatch(LOST);
  expect(await outcome(sql`select 2`)).toMatch(/starting up/);
  await sql.end();
  await proxy.close();
});

it('does not answer a statement with the error of the one before', async () => {
  const db = pool(1);
  const [backend] = await db.sql`select pg_backend_pid() as pid`;
  const terminated = outcome(db.sql`select pg_sleep(10)`);
  await outcome(pool(1).sql`select pg_terminate_backend(${backend?.pid})`);
  expect(await terminated).toMatch(/terminating connection/);
  expect(await outcome(db.sql`select 2`)).toBe('done');
});

it.each([true, false])(
  'gives no place to rows of a statement before that failed amid them',
  async (types) => {
    const db = pool(1, { more: { fetch_types: types } });
    expect(await outcome(db.sql`select 1 / (4 - x) from generate_series(1, 10) x`)).toMatch(
      /division by zero/,
    );
    expect(await db.sql`select 7 as position`).toEqual([{ position: 7 }]);
    const amid = outcome(
      db.sql`select repeat('x', 20000), pg_sleep(case when x = 4 then 10 else 0 end) from generate_series(1, 5) x`,
    );
    await sleep(200);
    await cut(db);
    expect(await amid).toMatch(LOST);
    expect(await db.sql`select 7 as position`).toEqual([{ position: 7 }]);
  },
);

it('goes to the next host where one is away', async () => {
  const { hostname, port, pathname, username, password } = new URL(database.url);
  const hosts = `${hostname}:${NOBODY_LISTENS},${hostname}:${port}`;
  const sql = postgres(`postgres://${username}:${password}@${hosts}${pathname}`, { max: 1 });
  expect(await outcome(sql`select 1`)).toBe('done');
  await sql.end();
});

it.each([0, 1, 2, 3, 4])(
  'begins a transaction behind %i statements, where three fill the connection',
  async (count) => {
    const db = pool(1, { more: { max_pipeline: 3 } });
    await db.sql`select 1`;
    const underWay = Array.from({ length: count + 1 }, () =>
      outcome(db.sql`select pg_sleep(0.02)`.execute()),
    );
    expect(await outcome(db.sql.begin(async (sql) => void (await sql`select 1`)))).toBe('done');
    expect(await Promise.all(underWay)).toEqual(underWay.map(() => 'done'));
  },
);

it.each<[string, (db: Pool, ends: () => void) => Promise<unknown>]>([
  [
    'a reservation is released',
    async ({ sql }, ends) => {
      const reserved = await sql.reserve();
      ends();
      await reserved`select 1`;
      reserved.release();
    },
  ],
  [
    'a connection breaks',
    async (db, ends) => {
      const statement = outcome(db.sql`select pg_sleep(10)`);
      await sleep(100);
      ends();
      await cut(db);
      return statement;
    },
  ],
  [
    'a connection cannot be made',
    (db, ends) => {
      db.refuse(true);
      const statement = outcome(db.sql`select 1`);
      return sleep(0)
        .then(ends)
        .then(() => statement);
    },
  ],
])('has an end, once %s', async (_when, work) => {
  const db = pool(1);
  const ended = Promise.withResolvers<string>();
  await work(db, () => void outcome(db.sql.end()).then(ended.resolve));
  expect(await ended.promise).toBe('done');
});

it.each([
  ['transaction', (sql: postgres.Sql, work: Work) => sql.begin(work)],
  ['reservation', async (sql: postgres.Sql, work: Work) => work(await sql.reserve())],
])('ends what a %s had still to say when its connection broke', async (_kind, given) => {
  const db = pool(1);
  const statements: Promise<string>[] = [];
  const work = given(db.sql, async (sql) => {
    // The second waits behind the first, on our side of the wire.
    statements.push(outcome(sql`select ${large()}::text`), outcome(sql`select 2`));
    await turn();
    await cut(db);
    await Promise.all(statements);
  });
  await outcome(work);
  expect(await Promise.all(statements)).toEqual([expect.stringMatching(LOST), expect.stringMatching(LOST)]);
  expect(await outcome(db.sql`select 3`)).toBe('done');
});

it('has nothing left of a transaction whose connection was reset, which rolls back before it is closed', async () => {
  const db = pool(1);
  const transaction = db.sql.begin(async (sql) => {
    await sql`select 1`;
    const running = sql`select pg_sleep(10)`.execute();
    await turn();
    await Promise.all([running, cut(db, 'reset')]);
  });
  await expect(transaction).rejects.toThrow(LOST);
  const next = db.sql.begin(async (sql) => void (await sql`select ${'a parameter'}::text`));
  expect(await outcome(next)).toBe('done');
});

it('keeps what a broken transaction still says, and its rollback, out of the one that has its place', async () => {
  const db = pool(1);
  const goOn = Promise.withResolvers<void>();
  const late = Promise.withResolvers<string>();
  const broken = db.sql.begin(async (sql) => {
    await sql`select 1`;
    await cut(db);
    await goOn.promise;
    late.resolve(await outcome(sql`insert into entries values ('broken')`));
    throw new Error('so it rolls back');
  });
  await expect(broken).rejects.toThrow(LOST);
  await db.sql.begin(async (sql) => {
    await sql`insert into entries values ('whole, first')`;
    goOn.resolve();
    expect(await late.promise).toMatch(LOST);
    await turn();
    await sql`insert into entries values ('whole, second')`;
  });
  expect((await db.sql`select who from entries order by who`).map(({ who }) => who)).toEqual([
    'whole, first',
    'whole, second',
  ]);
});

it('keeps what a failed transaction still says out of the next', async () => {
  const db = pool(1);
  const goOn = Promise.withResolvers<void>();
  const late = Promise.withResolvers<string>();
  const failed = db.sql.begin((sql) =>
    Promise.all([
      sql`select 1 / 0`,
      goOn.promise.then(() => outcome(sql`insert into entries values ('failed')`)).then(late.resolve),
    ]),
  );
  expect(await outcome(failed)).toMatch(/division by zero/);
  await db.sql.begin(async (sql) => {
    await sql`select 1`;
    goOn.resolve();
    expect(await late.promise).toMatch(/CONNECTION_ENDED/);
  });
  expect(await db.sql`select from entries where who = 'failed'`).toHaveLength(0);
});

it('takes nothing more on a connection that was released, and releases it once', async () => {
  const db = pool(1);
  const first = await db.sql.reserve();
  await first`select 1`;
  const underWay = [outcome(first`select ${large()}::text`), outcome(first`select 2`)];
  await turn();
  first.release();
  expect(await Promise.all(underWay)).toEqual(['done', expect.stringMatching(/CONNECTION_ENDED/)]);
  const second = await db.sql.reserve();
  expect(await outcome(first`select 3`)).toMatch(/CONNECTION_ENDED/);
  first.release();
  const other = outcome(db.sql.begin(async (sql) => void (await sql`select 4`)));
  expect(await Promise.race([other, sleep(200, 'waits')])).toBe('waits');
  second.release();
  expect(await other).toBe('done');
});

it('refuses what comes on a reserved connection that broke, and has another for the next', async () => {
  const db = pool(1);
  const reserved = await db.sql.reserve();
  await reserved`select 1`;
  await cut(db);
  expect(await outcome(reserved`select 2`)).toMatch(LOST);
  reserved.release();
  expect(await outcome(db.sql`select 3`)).toBe('done');
  const next = await db.sql.reserve();
  reserved.release();
  expect(await outcome(next`select 4`)).toBe('done');
  next.release();
});

it('gives a connection to who waited for one that broke', async () => {
  const db = pool(1);
  const reserved = await db.sql.reserve();
  const waiting = db.sql.reserve();
  await cut(db);
  const next = await Promise.race([waiting, sleep(PATIENCE_MS)]);
  expect(next && (await outcome(next`select 1`))).toBe('done');
  reserved.release();
  next?.release();
  expect(await outcome(db.sql`select 2`)).toBe('done');
});

const pause = fc.integer({ min: 0, max: 4 });
const step = fc.oneof(
  {
    arbitrary: fc.record({ kind: fc.constant('statement' as const), isLarge: fc.boolean(), pause }),
    weight: 2,
  },
  fc.record({ kind: fc.constant('transaction' as const), isLarge: fc.boolean(), fails: fc.boolean(), pause }),
  fc.record({ kind: fc.constant('reservation' as const), isLarge: fc.boolean(), pause }),
  {
    arbitrary: fc.record({
      kind: fc.constant('cut' as const),
      way: fc.constantFrom<Way>('closed', 'reset'),
      which: fc.nat(2),
      pause,
    }),
    weight: 2,
  },
  fc.record({ kind: fc.constant('refuse' as const), refused: fc.boolean(), pause }),
);

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const text = (isLarge: boolean) => (isLarge ? large() : '');

async function reserve({ sql }: Pool, isLarge: boolean): Promise<void> {
  const reserved = await sql.reserve();
  try {
    await reserved`select ${text(isLarge)}::text`;
    await turn();
    await reserved`select 2`;
  } finally {
    reserved.release();
  }
}

/** Writes two entries, with pauses. */
async function transact({ sql }: Pool, who: string, step: Step & { kind: 'transaction' }): Promise<void> {
  await sql.begin(async (transaction) => {
    const write = () => transaction`insert into entries values (${who})`;
    await Promise.all([write(), transaction`select ${text(step.isLarge)}::text`]);
    for (let turns = 0; turns < step.pause; turns++) await turn();
    await write();
    if (step.fails) throw new Error('of its own');
  });
}

/** What came of transactions, by who wrote, and of all else. */
interface Answers {
  readonly entries: Map<string, Promise<string>>;
  readonly others: Promise<string>[];
}

function take(db: Pool, step: Step, who: string, { entries, others }: Answers): void {
  const socket = step.kind === 'cut' ? db.sockets[step.which] : undefined;
  if (step.kind === 'transaction') entries.set(who, outcome(transact(db, who, step)));
  else if (step.kind === 'statement') others.push(outcome(db.sql`select ${text(step.isLarge)}::text`));
  else if (step.kind === 'reservation') others.push(outcome(reserve(db, step.isLarge)));
  else if (step.kind === 'refuse') db.refuse(step.refused);
  else if (socket !== undefined) end(socket, step.way);
}

/** As many at once as there may be connections: none of them has gone lost. */
async function requireAllConnections({ sql }: Pool, max: number): Promise<void> {
  let begun = 0;
  const allBegun = Promise.withResolvers<void>();
  const transactions = Array.from({ length: max }, () =>
    sql.begin(async (transaction) => {
      await transaction`select ${'a parameter'}::text`;
      if (++begun === max) allBegun.resolve();
      await allBegun.promise;
    }),
  );
  expect(await Promise.all(transactions.map(outcome))).toEqual(transactions.map(() => 'done'));
}

it('ends all that was asked, whole or not at all, wherever connections break', async () => {
  let number = 0;
  const steps = fc.array(step, { minLength: 5, maxLength: 40 });
  const play = async (steps: Step[], max: number) => {
    const db = pool(max);
    const answers: Answers = { entries: new Map(), others: [] };
    for (const step of steps) {
      for (let turns = 0; turns < step.pause; turns++) await turn();
      take(db, step, `transaction ${number++}`, answers);
    }
    db.refuse(false);
    expect(await Promise.all([...answers.others, ...answers.entries.values()])).not.toContain('silent');
    await requireAllConnections(db, max);
    await db.sql.end({ timeout: 1 });
    const rows = await counts();
    for (const [who, end] of answers.entries) {
      const count = rows.get(who) ?? 0;
      if ((await end) === 'done') expect(count, who).toBe(2);
      else if ((await end) === 'of its own') expect(count, who).toBe(0);
      // The word that it was committed may have gone lost.
      else expect([0, 2], who).toContain(count);
    }
  };
  const plays = fc.asyncProperty(steps, fc.integer({ min: 1, max: 3 }), play);
  await fc.assert(plays, { numRuns: 60, endOnFailure: true });
}, 120_000);

async function counts(): Promise<Map<string, number>> {
  const { sql } = pool(1);
  const rows = await sql<
    { who: string; count: number }[]
  >`select who, count(*)::int from entries group by who`;
  await sql.end();
  return new Map(rows.map(({ who, count }) => [who, count]));
}
