import { commitBatch } from './commit.js';
import { type Effects, effectsOf } from './effects.js';
import type { Folded } from './fold.js';
import type { ArrivedEvent, History } from './history.js';
import type { PartitionSet } from './partitions.js';
import { hash } from './pausing.js';
import type { PostgresReadModel, ReadModels } from './postgres-read-model.js';
import type { ProjectionDefinition } from './projection.js';
import { readAhead } from './read-ahead.js';

// Tables of a read model that are filled out of the store beside those in use.

/** Somebody builds the same tables already. */
export class BuiltElsewhere extends Error {
  constructor(schema: string) {
    super(`another process is at work on ${schema}; wait for it, or end it`);
    this.name = 'BuiltElsewhere';
  }
}

/** Runs `work` as the only one that builds these tables, on any machine. @throws BuiltElsewhere */
export async function asOnlyBuilder<T>(sql: ReadModels, schema: string, work: () => Promise<T>): Promise<T> {
  // The lock is the connection's: a process that is killed lets go of it.
  const connection = await sql.reserve();
  try {
    const [lock] = await connection<{ held: boolean }[]>`
      select pg_try_advisory_lock(${builderOf(schema)}) as held`;
    if (lock?.held !== true) throw new BuiltElsewhere(schema);
    try {
      return await work();
    } finally {
      await connection`select pg_advisory_unlock(${builderOf(schema)})`;
    }
  } finally {
    connection.release();
  }
}

/** Whether somebody builds these tables now. */
export async function isBeingBuilt(sql: ReadModels, schema: string): Promise<boolean> {
  const key = BigInt.asUintN(64, builderOf(schema));
  const [found] = await sql<{ held: boolean }[]>`
    select exists (select from pg_locks where locktype = 'advisory' and objsubid = 1 and granted
      and classid = ${key >> 32n}::bigint::oid and objid = ${key & 0xffffffffn}::bigint::oid) as held`;
  return found?.held === true;
}

const builderOf = (schema: string): bigint => hash(`${schema} builder`);

export interface FoldingOptions {
  /** Up to here, inclusive; to the end of the store where it is not given. */
  readonly until?: bigint;
  /** Events in a transaction. */
  readonly batch?: number;
  /** Ends between two transactions. */
  readonly signal?: AbortSignal;
  /** Told after each transaction; events that concern other partitions or nobody count as read. */
  readonly folded?: (what: Folded, read: number, position: bigint) => void;
}

/** More at a time would outlive the young generation, and be collected at several times the cost. */
const BATCH = 2_000;
/** A reading of the store is bounded by its message, not by the transaction. */
const PAGE = 1_000;

/** Folds what the store has behind a read model's checkpoint into its rows. */
export async function foldOn(
  projection: ProjectionDefinition,
  partitions: PartitionSet,
  history: History,
  readModel: PostgresReadModel,
  { until, batch = BATCH, signal, folded }: FoldingOptions = {},
): Promise<void> {
  let before = await readModel.position(partitions);
  const pages = history.readAll(before < 0n ? undefined : before, Math.min(batch, PAGE));
  for await (const { events: read, effects } of readAhead(batches(projection, pages, batch))) {
    if (signal?.aborted === true) return;
    const events = until === undefined ? read : read.filter(({ position }) => position <= until);
    const through = events.at(-1)?.position;
    if (through !== undefined) {
      const context = { projection, partitions, history };
      const what = await commitBatch(context, readModel, { events, before, through, effects });
      before = through;
      folded?.(what, events.length, through);
    }
    if (events.length < read.length) return;
  }
}

interface ReadBatch {
  readonly events: readonly ArrivedEvent[];
  readonly effects: Effects;
}

/** Pages joined until they have `size` events at least. */
async function* batches(
  projection: ProjectionDefinition,
  pages: AsyncIterable<readonly ArrivedEvent[]>,
  size: number,
): AsyncGenerator<ReadBatch> {
  let events: ArrivedEvent[] = [];
  for await (const page of pages) {
    for (const event of page) events.push(event);
    if (events.length < size) continue;
    yield { events, effects: effectsOf(projection, events) };
    events = [];
  }
  if (events.length > 0) yield { events, effects: effectsOf(projection, events) };
}
