import {
  checkpointsOf,
  type EventStore,
  type Lag,
  lagBehind,
  orWithoutTables,
  pausedOf,
  progressOf,
  type ReadModels,
  type Unfinished,
  unfinishedRebuild,
} from '@oo/event-sourcing';
import { PROJECTIONS, type ProjectionName } from './registry.js';

/** How a read model stands. */
export interface ProjectionStanding {
  readonly name: ProjectionName;
  readonly version: number;
  readonly schema: string;
  /** Position up to which every partition has been handled; -1 before anything was. */
  readonly position: bigint;
  readonly lag: Lag;
  /** People with an event that could not be applied. */
  readonly parked: number;
  readonly pausedSince: string | null;
  /** Rows of its tables, as Postgres estimates them. */
  readonly rows: number;
  readonly bytes: bigint;
  /** Checkpoints of its workers: one for each set of partitions. */
  readonly workers: number;
  /** A rebuild that is under way or was interrupted. */
  readonly rebuild: Unfinished | null;
  /** Tables of other versions, still there. */
  readonly otherVersions: readonly string[];
}

/** @param now milliseconds since 1970 */
export async function standingOf(
  sql: ReadModels,
  store: EventStore,
  name: ProjectionName,
  now: number,
): Promise<ProjectionStanding> {
  const projection = PROJECTIONS[name];
  const { version, schema } = projection;
  const position = await progressOf(sql, projection);
  const parked = await orWithoutTables<readonly { count: number }[]>(
    sql<{ count: number }[]>`select count(distinct owner)::int as count from ${sql(schema)}.parked`,
    [],
  );
  // Small tables are not analyzed for long; the other count begins anew when Postgres was killed.
  const [size] = await sql<{ rows: number; bytes: bigint }[]>`
    select coalesce(sum(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)), 0)::float8 as rows,
      coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint as bytes
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind = 'r' and c.relname = any(${projection.tables.map((table) => table.name)})`;
  const family = schema.replace(/_v\d+$/, '');
  const others = await sql<{ name: string }[]>`
    select nspname as name from pg_namespace
    where nspname ~ ${`^${family}_v[0-9]+$`} and nspname <> ${schema} order by 1`;
  return {
    name,
    version,
    schema,
    position,
    lag: await lagBehind(store, position, now),
    parked: parked[0]?.count ?? 0,
    pausedSince: (await pausedOf(sql)).get(name)?.since ?? null,
    rows: size?.rows ?? 0,
    bytes: size?.bytes ?? 0n,
    workers: (await orWithoutTables(checkpointsOf(sql, schema), [])).length,
    rebuild: (await unfinishedRebuild(sql, projection)) ?? null,
    otherVersions: others.map((other) => other.name),
  };
}
