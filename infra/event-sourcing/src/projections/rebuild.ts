import postgres from 'postgres';
import { asOnlyBuilder, foldOn, isBeingBuilt } from './building.js';
import type { History } from './history.js';
import { ALL_PARTITIONS, positionOf } from './partitions.js';
import { checkpointsOf, orWithoutTables, PostgresReadModel, type ReadModels } from './postgres-read-model.js';
import type { ProjectionDefinition } from './projection.js';
import { DefinitionChanged } from './read-model.js';

/** How far a rebuild is. */
export interface RebuildProgress {
  /** Events read since this process began. */
  readonly read: number;
  readonly position: bigint;
  /** Position of the newest event of the store. */
  readonly head: bigint;
  /** What is done of the store, by position: 0 to 1. */
  readonly share: number;
  readonly eventsPerSecond: number;
  /** At the pace so far; undefined before there is one. */
  readonly remainingMs: number | undefined;
}

export interface Rebuilt {
  /** `interrupted`: what was built stands, and the next rebuild goes on from there. */
  readonly outcome: 'swapped' | 'interrupted';
  readonly position: bigint;
  readonly read: number;
  /** Position that an earlier, interrupted rebuild had come to; -1 where this one began from nothing. */
  readonly resumedAt: bigint;
  readonly elapsedMs: number;
}

export interface RebuildOptions {
  readonly signal?: AbortSignal;
  /** Begins again although an interrupted rebuild has got somewhere: for an `apply` that has changed since. */
  readonly fromStart?: boolean;
  readonly progress?: (progress: RebuildProgress) => void;
  /** Events in a transaction. */
  readonly batch?: number;
}

/** What stands of a rebuild that has not been swapped in. */
export interface Unfinished {
  readonly position: bigint;
  /** Whether a process is at work on it now. */
  readonly running: boolean;
}

const nextOf = ({ schema }: ProjectionDefinition) => `${schema}_next`;
const lastOf = ({ schema }: ProjectionDefinition) => `${schema}_last`;

/**
 * Builds the rows anew out of the store, in the schema `NAME_vN_next` beside those in use, and swaps the two in one
 * transaction when it has come as far as the workers are. Workers and queries go on all the while; workers wait for
 * the moment of the swap and then go on in the new rows, whose checkpoint is theirs or further.
 * @throws BuiltElsewhere where another process rebuilds the same
 */
export async function rebuild(
  sql: ReadModels,
  projection: ProjectionDefinition,
  history: History,
  options: RebuildOptions = {},
): Promise<Rebuilt> {
  const schema = nextOf(projection);
  return asOnlyBuilder(sql, schema, async () => {
    const began = performance.now();
    const next = new PostgresReadModel(sql, projection, { schema });
    await prepare(next, options.fromStart === true);
    const resumedAt = await next.position(ALL_PARTITIONS);
    let read = 0;
    const meter = new Meter(resumedAt, (await history.head()) ?? -1n);
    await foldOn(projection, ALL_PARTITIONS, history, next, {
      ...(options.batch === undefined ? {} : { batch: options.batch }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      folded: (_, events, position) => {
        read += events;
        options.progress?.(meter.at(read, position));
      },
    });
    const isInterrupted = options.signal?.aborted === true;
    if (!isInterrupted) await swap(sql, projection, history, next);
    const rebuilt: Rebuilt = {
      outcome: isInterrupted ? 'interrupted' : 'swapped',
      position: isInterrupted ? await next.position(ALL_PARTITIONS) : await at(sql, projection.schema),
      read,
      resumedAt,
      elapsedMs: performance.now() - began,
    };
    if (!isInterrupted) await count(sql, projection);
    return rebuilt;
  });
}

/** What an interrupted rebuild has left, or one under way has so far; undefined where there is none. */
export async function unfinishedRebuild(
  sql: ReadModels,
  projection: ProjectionDefinition,
): Promise<Unfinished | undefined> {
  const schema = nextOf(projection);
  const [found] = await sql<{ exists: boolean }[]>`
    select to_regclass(${`${schema}.checkpoint`}) is not null as exists`;
  if (found?.exists !== true) return undefined;
  return { position: await at(sql, schema), running: await isBeingBuilt(sql, schema) };
}

async function at(sql: ReadModels, schema: string): Promise<bigint> {
  return positionOf(await orWithoutTables(checkpointsOf(sql, schema), []), ALL_PARTITIONS);
}

async function prepare(next: PostgresReadModel, fromStart: boolean): Promise<void> {
  if (fromStart) await next.drop();
  try {
    await next.prepare();
  } catch (error) {
    // Begun by a build with other tables: there is nothing in it to go on with.
    if (!(error instanceof DefinitionChanged)) throw error;
    await next.drop();
    await next.prepare();
  }
}

async function swap(
  sql: ReadModels,
  projection: ProjectionDefinition,
  history: History,
  next: PostgresReadModel,
): Promise<void> {
  const { schema } = projection;
  const last = lastOf(projection);
  await sql`drop schema if exists ${sql(last)} cascade`;
  const isThere = await new PostgresReadModel(sql, projection).alone(async (_, held) => {
    const [found] = await held<{ live: string | null }[]>`
      select to_regclass(${`${schema}.checkpoint`})::text as live`;
    const isUsed = found?.live != null;
    if (isUsed) {
      const positions = (await checkpointsOf(held, schema)).map(({ position }) => position);
      const until = positions.sort((one, other) => (one < other ? -1 : 1)).at(-1) ?? -1n;
      // What the workers have handled since: little, and they wait for it.
      await foldOn(projection, ALL_PARTITIONS, history, next, { until });
      await held`alter schema ${held(schema)} rename to ${held(last)}`;
    }
    await held`alter schema ${held(next.schema)} rename to ${held(schema)}`;
    return isUsed;
  });
  if (isThere) await dropUnread(sql, last);
}

/** Nobody has counted the new rows yet, and queries would be planned as for empty tables until somebody does. */
async function count(sql: ReadModels, { schema, tables }: ProjectionDefinition): Promise<void> {
  for (const { name } of tables) await sql`analyze ${sql(schema)}.${sql(name)}`;
}

const LOCK_NOT_AVAILABLE = '55P03';

/** Drops tables when nobody reads them any more; those of a reader that takes long stay until the next rebuild. */
async function dropUnread(sql: ReadModels, schema: string): Promise<void> {
  try {
    await sql.begin(async (transaction) => {
      await transaction`set local lock_timeout = '5s'`;
      await transaction`drop schema if exists ${transaction(schema)} cascade`;
    });
  } catch (error) {
    if (!(error instanceof postgres.PostgresError) || error.code !== LOCK_NOT_AVAILABLE) throw error;
  }
}

/** Estimates by position, since the store does not tell how many events it has. */
class Meter {
  readonly #began = performance.now();

  constructor(
    private readonly from: bigint,
    private readonly head: bigint,
  ) {}

  at(read: number, position: bigint): RebuildProgress {
    const elapsedMs = performance.now() - this.#began;
    const [done, all] = [Number(position - this.from), Number(this.head - this.from)];
    const left = Math.max(0, all - done);
    return {
      read,
      position,
      head: this.head,
      share: this.head <= 0n ? 1 : Math.min(1, Number(position) / Number(this.head)),
      eventsPerSecond: elapsedMs > 0 ? (read / elapsedMs) * 1000 : 0,
      remainingMs: done > 0 ? (elapsedMs / done) * left : undefined,
    };
  }
}
