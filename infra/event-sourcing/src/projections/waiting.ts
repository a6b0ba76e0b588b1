import { setTimeout as sleep } from 'node:timers/promises';
import { partitionOf, type UserId } from '@oo/contracts';
import { ALL_PARTITIONS, positionOf } from './partitions.js';
import { checkpointsOf, orWithoutTables, type ReadModels } from './postgres-read-model.js';
import type { ProjectionDefinition } from './projection.js';

/**
 * What to wait for: an event of a stream, or everything up to a position; with `user`, everything up to there of that
 * person's partition, so that workers of other partitions hold nobody up.
 */
export type Target =
  | { readonly stream: string; readonly revision: bigint }
  | { readonly position: bigint; readonly user?: UserId };

/**
 * `reached`: the rows are at least that new. `parked`: an event of that person could not be applied, so the rows
 * stand still until it can. `timeout`: not yet.
 */
export type Waited = 'reached' | 'parked' | 'timeout';

/** Position up to which all partitions of a projection have been handled; -1 for nothing yet. */
export async function progressOf(sql: ReadModels, projection: ProjectionDefinition): Promise<bigint> {
  return positionOf(await orWithoutTables(checkpointsOf(sql, projection.schema), []), ALL_PARTITIONS);
}

/**
 * Waits until a read model reflects a write, whichever worker handles it. For read-your-writes: a command's reply
 * has both kinds of target.
 */
export async function waitFor(
  sql: ReadModels,
  projection: ProjectionDefinition,
  target: Target,
  timeoutMs: number,
): Promise<Waited> {
  const deadline = performance.now() + timeoutMs;
  for (let pause = 4; ; pause = Math.min(pause * 1.5, 50)) {
    const waited = await standing(sql, projection, target);
    if (waited !== 'timeout') return waited;
    const left = deadline - performance.now();
    if (left <= 0) return 'timeout';
    await sleep(Math.min(pause, left));
  }
}

async function standing(sql: ReadModels, projection: ProjectionDefinition, target: Target): Promise<Waited> {
  if ('position' in target) {
    const partitions = target.user === undefined ? ALL_PARTITIONS : new Set([partitionOf(target.user)]);
    const checkpoints = await orWithoutTables(checkpointsOf(sql, projection.schema), []);
    return positionOf(checkpoints, partitions) >= target.position ? 'reached' : 'timeout';
  }
  const schema = sql(projection.schema);
  const query = sql<{ revision: bigint; parked: boolean }[]>`
    select s.revision, exists (select from ${schema}.parked p where p.owner = s.owner) as parked
    from ${schema}.streams s where s.stream = ${target.stream}`;
  const [mark] = await orWithoutTables<{ revision: bigint; parked: boolean }[]>(query, []);
  if (mark === undefined || mark.revision < target.revision) return 'timeout';
  return mark.parked ? 'parked' : 'reached';
}
