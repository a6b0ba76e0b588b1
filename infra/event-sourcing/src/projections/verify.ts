import { createHash } from 'node:crypto';
import { asOnlyBuilder, foldOn } from './building.js';
import type { History } from './history.js';
import { ALL_PARTITIONS, type Checkpoint, positionOf } from './partitions.js';
import { checkpointsOf, PostgresReadModel, type ReadModels } from './postgres-read-model.js';
import type { ProjectionDefinition } from './projection.js';
import type { Json, Table } from './tables.js';

/** What a read model has, against what the store says. */
export interface Verification {
  /** Position that both were compared at. */
  readonly position: bigint;
  readonly rows: number;
  /** SHA-256 (hex) over the rows in the order of their keys: of those in use, and of those folded afresh. */
  readonly digest: string;
  readonly expected: string;
  /** The first rows that differ; null where there is no such row on that side. */
  readonly differences: readonly { readonly table: string; readonly actual: Json; readonly expected: Json }[];
}

const FIRST = 20;

/**
 * Folds the store afresh into the schema `NAME_vN_verify`, and compares every row with those in use, all partitions
 * of them. The workers go on; they are held only while the last events are folded and the rows are read.
 */
export async function verify(
  sql: ReadModels,
  projection: ProjectionDefinition,
  history: History,
): Promise<Verification> {
  const schema = `${projection.schema}_verify`;
  const fresh = new PostgresReadModel(sql, projection, { schema });
  return asOnlyBuilder(sql, schema, async () => {
    await fresh.drop();
    await fresh.prepare();
    try {
      // Nearly all of it while nobody waits.
      await foldTo(await checkpointsOf(sql, projection.schema), projection, history, fresh);
      return await new PostgresReadModel(sql, projection).alone(async (_, held) => {
        const checkpoints = await checkpointsOf(held, projection.schema);
        await foldTo(checkpoints, projection, history, fresh);
        return compare(sql, projection, schema, positionOf(checkpoints, ALL_PARTITIONS));
      });
    } finally {
      await fresh.drop();
    }
  });
}

/** Brings a read model to where the checkpoints are, partition by partition. */
async function foldTo(
  checkpoints: readonly Checkpoint[],
  projection: ProjectionDefinition,
  history: History,
  readModel: PostgresReadModel,
): Promise<void> {
  const groups = new Map<bigint, Set<number>>();
  for (const partition of ALL_PARTITIONS) {
    const position = positionOf(checkpoints, new Set([partition]));
    groups.set(position, (groups.get(position) ?? new Set()).add(partition));
  }
  for (const [until, partitions] of groups) {
    await foldOn(projection, partitions, history, readModel, { until });
  }
}

async function compare(
  sql: ReadModels,
  { schema, tables }: ProjectionDefinition,
  freshSchema: string,
  position: bigint,
): Promise<Verification> {
  const [digest, expected] = [createHash('sha256'), createHash('sha256')];
  const differences: Verification['differences'][number][] = [];
  let rows = 0;
  for (const table of tables) {
    const [actual] = await Promise.all([
      addRows(sql, schema, table, digest),
      addRows(sql, freshSchema, table, expected),
    ]);
    rows += actual;
    differences.push(...(await differencesOf(sql, schema, freshSchema, table)));
  }
  return {
    position,
    rows,
    digest: digest.digest('hex'),
    expected: expected.digest('hex'),
    differences: differences.slice(0, FIRST),
  };
}

async function addRows(
  sql: ReadModels,
  schema: string,
  { name, key }: Table,
  digest: { update(text: string): unknown },
): Promise<number> {
  let count = 0;
  digest.update(`${name}\n`);
  const query = sql.unsafe<{ row: string }[]>(
    `select to_jsonb(t)::text as row from ${schema}.${name} t order by ${key.join(', ')}`,
  );
  for await (const rows of query.cursor(1000)) {
    for (const { row } of rows) digest.update(`${row}\n`);
    count += rows.length;
  }
  return count;
}

async function differencesOf(
  sql: ReadModels,
  schema: string,
  freshSchema: string,
  { name, key }: Table,
): Promise<Verification['differences'][number][]> {
  const same = key.map((column) => `a.${column} = b.${column}`).join(' and ');
  const rows = await sql.unsafe<{ actual: Json; expected: Json }[]>(
    `select to_jsonb(a) as actual, to_jsonb(b) as expected
     from ${schema}.${name} a full join ${freshSchema}.${name} b on ${same}
     where to_jsonb(a) is distinct from to_jsonb(b) limit ${FIRST}`,
  );
  return rows.map(({ actual, expected }) => ({ table: name, actual, expected }));
}
