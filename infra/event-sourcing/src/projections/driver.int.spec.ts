/**
 * What oO needs of postgres.js when its connections break: every statement comes to an end, the pool answers again, and
 * nothing that was meant for one transaction gets into another. As published (3.4.9) it does not do that;
 * `patches/` makes it do so (ADR 0019).
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startDatabase, type TestDatabase } from '../testing/database.js';

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
function pool(max: number, cutAt = CUT): Pool {
  let isCut = false;
  const { hostname, port } = new URL(database.url);
  const sockets: Socket[] = [];
  let isRefused = false;
  const refuse = (refused: boolean) => {
    isRefused = refused;
  };
  const sql = postgres(database.url, {
    max,
    backoff: false,
    onnotice: () => undefined,
    // Between the statement's way into the driver and the immediate in which it is written.
    debug: (_connection: number, statement: string) => {
      if (isCut || !statement.includes(cutAt)) return;
      isCut = true;
      void cut(made);
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
async function outcome(work: PromiseLike<unknown>): Promise<string> {
  const given = new AbortController();
  try {
    return await Promise.race([
      Promise.resolve(work).then(
        () => 'done',
        (error: Error) => error.message,
      ),
      sleep(PATIENCE_MS, 'silent', { signal: given.signal }),
    ]);
  } finally {
    given.abort();
  }
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
  const it = pool(1);
  await it.sql`select 1`;
  // Behind the immediates of this round of the event loop and before those of the next, sockets say that they closed.
  await turn();
  expect(await outcome(it.sql.unsafe(`select 2 ${CUT}`))).toMatch(LOST);
  expect(await outcome(it.sql`select 3`)).toBe('done');
});

it('connects again where a connection broke while it asked for the types of arrays', async () => {
  const it = pool(1, 'typarray');
  expect(await outcome(it.sql`select 1`)).toMatch(LOST);
  expect(await outcome(it.sql`select 2`)).toBe('done');
});

it('ends what waits for a server behind a proxy that takes connections and drops them', async () => {
  let connections = 0;
  const proxy = createServer((client) => {
    connections++;
    client.end();
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  const address = proxy.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  const sql = postgres(Object.assign(new URL(database.url), { host: `127.0.0.1:${address.port}` }).href, {
    max: 1,
    backoff: () => 0.1,
  });
  const began = performance.now();
  for (let time = 0; time < 4; time++) expect(await outcome(sql`select 1`)).toMatch(LOST);
  expect(connections).toBe(4);
  // The first comes at once.
  expect(performance.now() - began).toBeGreaterThan(299);
  await sql.end();
  proxy.close();
});

it('does not answer a statement with the error of the one before', async () => {
  const it = pool(1);
  const [backend] = await it.sql`select pg_backend_pid() as pid`;
  const terminated = outcome(it.sql`select pg_sleep(10)`);
  await outcome(pool(1).sql`select pg_terminate_backend(${backend?.pid})`);
  expect(await terminated).not.toBe('done');
  expect(await outcome(it.sql`select 2`)).toBe('done');
});

it.each([
  ['transaction', (sql: postgres.Sql, work: Work) => sql.begin(work)],
  ['reservation', async (sql: postgres.Sql, work: Work) => work(await sql.reserve())],
])('ends what a %s had still to say when its connection broke', async (_kind, within) => {
  const it = pool(1);
  const statements: Promise<string>[] = [];
  const given = within(it.sql, async (sql) => {
    // The second waits behind the first, on our side of the wire.
    statements.push(outcome(sql`select ${large()}::text`), outcome(sql`select 2`));
    await turn();
    await cut(it);
    await Promise.all(statements);
  });
  await outcome(given);
  expect(await Promise.all(statements)).toEqual([expect.stringMatching(LOST), expect.stringMatching(LOST)]);
  expect(await outcome(it.sql`select 3`)).toBe('done');
});

it('has nothing left of a transaction whose connection was reset, which rolls back before it is closed', async () => {
  const it = pool(1);
  const transaction = it.sql.begin(async (sql) => {
    await sql`select 1`;
    const running = sql`select pg_sleep(10)`.execute();
    await turn();
    await Promise.all([running, cut(it, 'reset')]);
  });
  await expect(transaction).rejects.toThrow(LOST);
  const next = it.sql.begin(async (sql) => void (await sql`select ${'a parameter'}::text`));
  expect(await outcome(next)).toBe('done');
});

it('keeps what a broken transaction still says, and its rollback, out of the one that has its place', async () => {
  const it = pool(1);
  const goOn = Promise.withResolvers<void>();
  const late = Promise.withResolvers<string>();
  const broken = it.sql.begin(async (sql) => {
    await sql`select 1`;
    await cut(it);
    await goOn.promise;
    late.resolve(await outcome(sql`insert into entries values ('broken')`));
    throw new Error('so it rolls back');
  });
  await expect(broken).rejects.toThrow(LOST);
  await it.sql.begin(async (sql) => {
    await sql`insert into entries values ('whole, first')`;
    goOn.resolve();
    expect(await late.promise).toMatch(LOST);
    await turn();
    await sql`insert into entries values ('whole, second')`;
  });
  expect((await it.sql`select who from entries order by who`).map(({ who }) => who)).toEqual([
    'whole, first',
    'whole, second',
  ]);
});

it('refuses what comes on a reserved connection that broke, and has another for the next', async () => {
  const it = pool(1);
  const reserved = await it.sql.reserve();
  await reserved`select 1`;
  await cut(it);
  expect(await outcome(reserved`select 2`)).toMatch(LOST);
  reserved.release();
  expect(await outcome(it.sql`select 3`)).toBe('done');
  const next = await it.sql.reserve();
  reserved.release();
  expect(await outcome(next`select 4`)).toBe('done');
  next.release();
});

it('gives a connection to who waited for one that broke', async () => {
  const it = pool(1);
  const reserved = await it.sql.reserve();
  const waiting = it.sql.reserve();
  await cut(it);
  const next = await Promise.race([waiting, sleep(PATIENCE_MS)]);
  expect(next && (await outcome(next`select 1`))).toBe('done');
  reserved.release();
  next?.release();
  expect(await outcome(it.sql`select 2`)).toBe('done');
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

it('ends all that was asked, whole or not at all, wherever connections break', async () => {
  let number = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.integer({ min: 1, max: 3 }),
      async (steps, max) => {
        const it = pool(max);
        const entries = new Map<string, Promise<string>>();
        const others: Promise<string>[] = [];
        const text = (isLarge: boolean) => (isLarge ? large() : '');
        for (const step of steps) {
          for (let turns = 0; turns < step.pause; turns++) await turn();
          if (step.kind === 'statement') others.push(outcome(it.sql`select ${text(step.isLarge)}::text`));
          else if (step.kind === 'cut') {
            const socket = it.sockets[step.which];
            if (socket !== undefined) end(socket, step.way);
          } else if (step.kind === 'refuse') it.refuse(step.refused);
          else if (step.kind === 'reservation') {
            others.push(
              outcome(
                it.sql.reserve().then(async (sql) => {
                  try {
                    await sql`select ${text(step.isLarge)}::text`;
                    await turn();
                    await sql`select 2`;
                  } finally {
                    sql.release();
                  }
                }),
              ),
            );
          } else {
            const who = `transaction ${number++}`;
            const work = it.sql.begin(async (sql) => {
              const write = () => sql`insert into entries values (${who})`;
              await Promise.all([write(), sql`select ${text(step.isLarge)}::text`]);
              for (let turns = 0; turns < step.pause; turns++) await turn();
              await write();
              if (step.fails) throw new Error('of its own');
            });
            entries.set(who, outcome(work));
          }
        }
        it.refuse(false);
        const answers = [...(await Promise.all(others)), ...(await Promise.all(entries.values()))];
        expect(answers).not.toContain('silent');
        // As many at once as there are connections: none of them has gone lost.
        let begun = 0;
        const allBegun = Promise.withResolvers<void>();
        const all = Array.from({ length: max }, () =>
          outcome(
            it.sql.begin(async (sql) => {
              await sql`select ${'a parameter'}::text`;
              if (++begun === max) allBegun.resolve();
              await allBegun.promise;
            }),
          ),
        );
        expect(await Promise.all(all)).toEqual(all.map(() => 'done'));
        await it.sql.end({ timeout: 1 });
        const rows = await counts();
        for (const [who, end] of entries) {
          const count = rows.get(who) ?? 0;
          if ((await end) === 'done') expect(count, who).toBe(2);
          else if ((await end) === 'of its own') expect(count, who).toBe(0);
          // The word that it was committed may have gone lost.
          else expect([0, 2], who).toContain(count);
        }
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);

async function counts(): Promise<Map<string, number>> {
  const { sql } = pool(1);
  const rows = await sql<
    { who: string; count: number }[]
  >`select who, count(*)::int from entries group by who`;
  await sql.end();
  return new Map(rows.map(({ who, count }) => [who, count]));
}
