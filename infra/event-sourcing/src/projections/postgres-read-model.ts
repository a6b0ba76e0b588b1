import { instant, ProblemError, problem } from '@oo/contracts';
import postgres from 'postgres';
import { type Checkpoint, type PartitionSet, positionOf } from './partitions.js';
import { gateOf, pausedTable } from './pausing.js';
import type { Owner, ProjectionDefinition } from './projection.js';
import {
  DefinitionChanged,
  Overtaken,
  type ParkedEvent,
  ProjectionPaused,
  type ReadModel,
  type ReadModelTransaction,
  RowRefused,
  type StreamMark,
} from './read-model.js';
import type { TableWrite } from './row-set.js';
import { ddlOf, type Row, sqlTypeOf, type Table, type Value } from './tables.js';

const types = {
  bigint: postgres.BigInt,
  instant: {
    to: 1184,
    from: [1184],
    serialize: (at: string) => at,
    parse: (text: string): string => instant(Date.parse(`${text.replace(' ', 'T')}:00`)),
  },
};

/** Connections to the database of the read models: positions come as bigint, times as instants. */
export type ReadModels = postgres.Sql<{ bigint: bigint; instant: string }>;

export interface ReadModelsOptions {
  /** Connections at the most. */
  readonly max?: number;
  readonly name?: string;
}

/**
 * A transaction that its process has stopped talking in is ended by the server, since others wait for its locks: of a
 * process that stands still, or whose connection is gone without Postgres having heard of it.
 */
const IDLE_IN_TRANSACTION_MS = 10_000;

/** @param url `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Connects at the first query, and again when it breaks. */
export function readModels(url: string, { max = 10, name = 'oo' }: ReadModelsOptions = {}): ReadModels {
  return postgres(url, {
    max,
    types,
    connection: {
      application_name: name,
      TimeZone: 'UTC',
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    },
    connect_timeout: 5,
    // Left alone, it waits up to 30 s between attempts.
    backoff: (attempt: number) => Math.min(2, 0.05 * 2 ** attempt),
    onnotice: () => undefined,
  });
}

const MISSING_DATABASE = '3D000';
const UNDEFINED_TABLE = '42P01';

/** What a query gives, or `otherwise` where no worker has made the tables yet. */
export async function orWithoutTables<T>(query: PromiseLike<T>, otherwise: T): Promise<T> {
  try {
    return await query;
  } catch (error) {
    if (hasCode(error, [UNDEFINED_TABLE, MISSING_DATABASE])) return otherwise;
    throw error;
  }
}

/**
 * Rows of a read model.
 * @throws ProblemError `unavailable` where no worker has made the tables yet
 */
export async function rowsOf<T>(query: PromiseLike<T>): Promise<T> {
  const rows = await orWithoutTables<T | undefined>(query, undefined);
  if (rows === undefined) {
    throw new ProblemError(
      problem('unavailable', 'The read model is still being made. Ask again in a moment.'),
    );
  }
  return rows;
}

const EXISTS_ALREADY = ['42P04', '23505'];

/** Makes the database where it is missing (through the server's `postgres` database). */
export async function ensureDatabase(url: string): Promise<void> {
  const sql = readModels(url, { max: 1 });
  try {
    await sql`select 1`;
    return;
  } catch (error) {
    if (!hasCode(error, [MISSING_DATABASE])) throw error;
  } finally {
    await sql.end({ timeout: 1 });
  }
  const server = new URL(url);
  const name = decodeURIComponent(server.pathname.slice(1));
  server.pathname = '/postgres';
  const maintenance = readModels(server.href, { max: 1 });
  try {
    await maintenance`create database ${maintenance(name)}`;
    // The store has the content: losing the last commits in a power cut loses nothing.
    await maintenance`alter database ${maintenance(name)} set synchronous_commit = off`;
  } catch (error) {
    if (!hasCode(error, EXISTS_ALREADY)) throw error;
  } finally {
    await maintenance.end({ timeout: 1 });
  }
}

export interface PostgresReadModelOptions {
  /** Where the database is, to make it when it is missing. */
  readonly url?: string;
  /** Another schema than `NAME_vN`: of tables that nobody uses yet, which no worker writes and no operator pauses. */
  readonly schema?: string;
}

/** The rows of a projection in a schema of Postgres. */
export class PostgresReadModel implements ReadModel {
  readonly schema: string;
  readonly #isInUse: boolean;
  readonly #gate: bigint;

  constructor(
    private readonly sql: ReadModels,
    private readonly projection: ProjectionDefinition,
    private readonly options: PostgresReadModelOptions = {},
  ) {
    this.schema = options.schema ?? projection.schema;
    this.#isInUse = options.schema === undefined;
    this.#gate = gateOf(this.schema);
  }

  async prepare(): Promise<void> {
    if (this.options.url !== undefined) await ensureDatabase(this.options.url);
    const { sql, schema } = this;
    const { tables, fingerprint, name, version } = this.projection;
    await sql.begin(async (transaction) => {
      // Two workers that start at once would both try to make the schema.
      await transaction`select pg_advisory_xact_lock(hashtextextended(${schema}, 0))`;
      const [found] = await transaction<{ exists: boolean }[]>`
        select exists (select from pg_namespace where nspname = ${schema}) as exists`;
      if (found?.exists !== true) {
        const statements = [
          `create schema ${schema}`,
          ...ownTables(schema),
          ...tables.flatMap((table) => ddlOf(schema, table)),
        ];
        for (const statement of statements) await transaction.unsafe(statement);
        await transaction`insert into ${transaction(schema)}.definition values (${fingerprint})`;
      }
      const [definition] = await transaction<{ fingerprint: string }[]>`
        select fingerprint from ${transaction(schema)}.definition`;
      if (definition?.fingerprint !== fingerprint) throw new DefinitionChanged(name, version);
      if (this.#isInUse) for (const statement of pausedTable()) await transaction.unsafe(statement);
    });
    if (this.#isInUse) await this.#requireRunning(this.sql);
  }

  async position(partitions: PartitionSet): Promise<bigint> {
    if (this.#isInUse) await this.#requireRunning(this.sql);
    return positionOf(await checkpointsOf(this.sql, this.schema), partitions);
  }

  async parkedOwners(): Promise<Owner[]> {
    const rows = await this.sql<{ owner: string }[]>`
      select distinct owner from ${this.sql(this.schema)}.parked order by owner`;
    return rows.map(({ owner }) => owner);
  }

  async transaction<T>(work: (transaction: ReadModelTransaction) => Promise<T>): Promise<T> {
    return resultOf((run) =>
      this.sql.begin((sql) =>
        run(async () => {
          if (this.#isInUse) {
            await Promise.all([
              sql`select pg_advisory_xact_lock_shared(${this.#gate})`,
              this.#requireRunning(sql),
            ]);
          }
          return work(new PostgresTransaction(sql, this.schema, this.projection.tables));
        }),
      ),
    );
  }

  /**
   * The same while no worker writes: those that have begun are waited for, and the next wait. For repairs from
   * outside of the workers, paused or not; the checkpoints stand still meanwhile.
   * @param work is given the connection too, which has to be used for all that is to be within the transaction
   */
  async alone<T>(work: (transaction: ReadModelTransaction, sql: Transaction) => Promise<T>): Promise<T> {
    return resultOf((run) =>
      this.sql.begin((sql) =>
        run(async () => {
          await sql`select pg_advisory_xact_lock(${this.#gate})`;
          // It holds the gate while others compare millions of rows.
          await sql`set local idle_in_transaction_session_timeout = 0`;
          return work(new PostgresTransaction(sql, this.schema, this.projection.tables), sql);
        }),
      ),
    );
  }

  /** @throws ProjectionPaused */
  async #requireRunning(sql: ReadModels | Transaction): Promise<void> {
    const { name } = this.projection;
    const [paused] = await sql`select from projections.paused where name = ${name}`;
    if (paused !== undefined) throw new ProjectionPaused(name);
  }

  /** Deletes all of it. */
  async drop(): Promise<void> {
    await this.sql`drop schema if exists ${this.sql(this.schema)} cascade`;
  }
}

/** How far the workers of a read model are, each with its partitions. */
export async function checkpointsOf(sql: ReadModels | Transaction, schema: string): Promise<Checkpoint[]> {
  return sql<Checkpoint[]>`
    select partitions, position from ${sql(schema)}.checkpoint`;
}

function ownTables(schema: string): string[] {
  return [
    `create table ${schema}.definition (fingerprint text primary key)`,
    `create table ${schema}.checkpoint (partitions integer[] primary key, position bigint not null)`,
    `create table ${schema}.streams (stream text primary key, owner text not null, revision bigint not null)`,
    `create index on ${schema}.streams (owner)`,
    `create table ${schema}.parked (owner text, position bigint, stream text not null, revision bigint not null,
      type text not null, error text, parked_at timestamptz not null default now(), primary key (owner, position))`,
  ];
}

/** What the work inside a transaction gives. (The driver's own result type takes arrays apart.) */
async function resultOf<T>(
  begin: (run: (work: () => Promise<T>) => Promise<void>) => Promise<unknown>,
): Promise<T> {
  let result: { readonly value: T } | undefined;
  await begin(async (work) => {
    result = { value: await work() };
  });
  if (result === undefined) throw new Error('the transaction ended without its work');
  return result.value;
}

/** A connection within a transaction. */
export type Transaction = Parameters<Parameters<ReadModels['begin']>[1]>[0];

class PostgresTransaction implements ReadModelTransaction {
  constructor(
    private readonly sql: Transaction,
    private readonly schema: string,
    private readonly tables: readonly Table[],
  ) {}

  async position(partitions: PartitionSet): Promise<bigint> {
    const rows = await this.sql<Checkpoint[]>`
      select partitions, position from ${this.sql(this.schema)}.checkpoint`;
    return positionOf([...rows], partitions);
  }

  async revisions(streams: readonly string[]): Promise<Map<string, bigint>> {
    if (streams.length === 0) return new Map();
    // Always in the same order, so that two workers wait for each other and do not lock each other out.
    const rows = await this.sql<{ stream: string; revision: bigint }[]>`
      select stream, revision from ${this.sql(this.schema)}.streams
      where stream = any(${[...streams]}) order by stream for update`;
    return new Map(rows.map(({ stream, revision }) => [stream, revision]));
  }

  async waiting(owners: readonly Owner[]): Promise<Set<Owner>> {
    if (owners.length === 0) return new Set();
    const rows = await this.sql<{ owner: string }[]>`
      select distinct owner from ${this.sql(this.schema)}.parked where owner = any(${[...owners]})`;
    return new Set(rows.map(({ owner }) => owner));
  }

  attempt<T>(work: (transaction: ReadModelTransaction) => Promise<T>): Promise<T> {
    return resultOf((run) =>
      this.sql.savepoint((sql) => run(() => work(new PostgresTransaction(sql, this.schema, this.tables)))),
    );
  }

  async load(table: Table, keys: readonly Row[]): Promise<Row[]> {
    const columns = Object.keys(table.columns).map((column) => `t.${column}`);
    return this.#unsafe(
      `select ${columns.join(', ')} from ${this.schema}.${table.name} t
       join ${rowsOfArrays(table, table.key)} using (${table.key.join(', ')})`,
      arraysOf(table, table.key, keys),
    );
  }

  async write({ table, upserts, removals }: TableWrite): Promise<void> {
    const { schema } = this;
    const columns = Object.keys(table.columns);
    if (upserts.length > 0) {
      const others = columns.filter((column) => !table.key.includes(column));
      const sets = others.map((column) => `${column} = excluded.${column}`);
      await this.#unsafe(
        `insert into ${schema}.${table.name} (${columns.join(', ')})
         select * from ${rowsOfArrays(table, columns)}
         on conflict (${table.key.join(', ')}) do ${sets.length > 0 ? `update set ${sets.join(', ')}` : 'nothing'}`,
        arraysOf(table, columns, upserts),
      );
    }
    if (removals.length > 0) {
      const same = table.key.map((column) => `t.${column} = r.${column}`).join(' and ');
      await this.#unsafe(
        `delete from ${schema}.${table.name} t
         using ${rowsOfArrays(table, table.key)} where ${same}`,
        arraysOf(table, table.key, removals),
      );
    }
  }

  async mark(streams: readonly StreamMark[], known: ReadonlyMap<string, bigint>): Promise<void> {
    const [old, fresh] = [true, false].map((isKnown) =>
      streams.filter(({ stream }) => known.has(stream) === isKnown),
    ) as [StreamMark[], StreamMark[]];
    const arrays = (marks: readonly StreamMark[]) => [
      marks.map(({ stream }) => stream),
      marks.map(({ owner }) => owner),
      marks.map(({ revision }) => String(revision)),
    ];
    if (old.length > 0) {
      await this.sql.unsafe(
        `update ${this.schema}.streams s set revision = r.revision
         from unnest($1::text[], $2::text[], $3::bigint[]) as r(stream, owner, revision)
         where s.stream = r.stream`,
        arrays(old),
        { prepare: true },
      );
    }
    if (fresh.length > 0) {
      const inserted = await this.sql.unsafe(
        `insert into ${this.schema}.streams (stream, owner, revision)
         select * from unnest($1::text[], $2::text[], $3::bigint[]) on conflict do nothing returning stream`,
        arrays(fresh),
        { prepare: true },
      );
      if (inserted.length < fresh.length) throw new Overtaken(fresh.map(({ stream }) => stream));
    }
  }

  async park(events: readonly ParkedEvent[]): Promise<void> {
    if (events.length === 0) return;
    const rows = events.map((event) => ({
      ...event,
      position: String(event.position),
      revision: String(event.revision),
    }));
    await this
      .sql`insert into ${this.sql(this.schema)}.parked ${this.sql(rows, 'owner', 'position', 'stream', 'revision', 'type', 'error')}
      on conflict (owner, position) do nothing`;
  }

  async forget(owner: Owner): Promise<void> {
    const { sql, schema } = this;
    for (const { name } of this.tables) {
      await sql`delete from ${sql(schema)}.${sql(name)} where user_id = ${owner}`;
    }
    await sql`delete from ${sql(schema)}.parked where owner = ${owner}`;
    await sql`delete from ${sql(schema)}.streams where owner = ${owner}`;
  }

  async checkpoint(partitions: PartitionSet, position: bigint): Promise<void> {
    const { sql } = this;
    const numbers = [...partitions].sort((one, other) => one - other);
    await sql`
      insert into ${sql(this.schema)}.checkpoint as c (partitions, position)
      values (${sql.array(numbers, INTEGER)}, ${position})
      on conflict (partitions) do update set position = greatest(c.position, excluded.position)`;
  }

  /** Runs a statement over rows that travel as one array a column. @throws RowRefused */
  async #unsafe(statement: string, arrays: string[]): Promise<Row[]> {
    try {
      return await this.sql.unsafe<Row[]>(statement, arrays, { prepare: true });
    } catch (error) {
      throw refusalOf(error) ?? error;
    }
  }
}

/** The type's number in Postgres' catalogue. */
const INTEGER = 23;

/**
 * The rows of a statement's parameters, one array a column. By way of text, since the driver would make arrays of its
 * own; and not as JSON, which Postgres takes a third longer to read.
 */
function rowsOfArrays({ columns }: Table, names: readonly string[]): string {
  const arrays = names.map((name, index) => `$${index + 1}::text::${sqlTypeOf(columns[name] ?? 'text')}[]`);
  return `unnest(${arrays.join(', ')}) as r(${names.join(', ')})`;
}

/** The columns of rows, each in the text form of a Postgres array. @throws RowRefused */
function arraysOf({ columns }: Table, names: readonly string[], rows: readonly Row[]): string[] {
  return names.map((name) => {
    const isJson = sqlTypeOf(columns[name] ?? 'text') === 'jsonb';
    return `{${rows.map((row) => elementOf(row[name] ?? null, isJson)).join(',')}}`;
  });
}

function elementOf(value: Value, isJson: boolean): string {
  if (value === null) return 'NULL';
  if (isJson) return quoted(JSON.stringify(value));
  if (typeof value === 'string') return quoted(value);
  return typeof value === 'number' && !Number.isFinite(value) ? 'NULL' : String(value);
}

function quoted(text: string): string {
  // What the encoding cannot hold would be stored as something else, without a word.
  if (!text.isWellFormed()) throw new RowRefused('a text with half a surrogate pair');
  return `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`;
}

// SQLSTATE classes (PostgreSQL, Appendix A): data exception, integrity violation, program limit exceeded.
const REFUSALS = ['22', '23', '54'];

function refusalOf(error: unknown): RowRefused | undefined {
  if (!(error instanceof postgres.PostgresError)) return undefined;
  if (!REFUSALS.includes(error.code.slice(0, 2))) return undefined;
  return new RowRefused(`${error.code}: ${error.message}`, { cause: error });
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof postgres.PostgresError && codes.includes(error.code);
}
