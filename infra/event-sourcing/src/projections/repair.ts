import { type Folded, refold } from './fold.js';
import type { History } from './history.js';
import { ALL_PARTITIONS, partitionOfOwner, positionOf } from './partitions.js';
import { checkpointsOf, PostgresReadModel, type ReadModels } from './postgres-read-model.js';
import type { Owner, ProjectionDefinition } from './projection.js';
import { RowRefused } from './read-model.js';

/**
 * Tries again what is parked of an owner: their rows are made anew out of the store, up to where the worker is.
 * Safe while workers run. @returns what came of it; `parked` is empty where everything could be applied
 */
export async function retryParked(
  sql: ReadModels,
  projection: ProjectionDefinition,
  history: History,
  owner: Owner,
): Promise<Folded> {
  const readModel = new PostgresReadModel(sql, projection);
  const attempt = (writing: 'together' | 'apart') =>
    readModel.alone(async (transaction, held) => {
      const checkpoints = await checkpointsOf(held, projection.schema);
      const through = positionOf(checkpoints, new Set([partitionOfOwner(owner)]));
      const context = { projection, partitions: ALL_PARTITIONS, history };
      return refold(context, transaction, owner, through, writing);
    });
  try {
    return await attempt('together');
  } catch (error) {
    if (!(error instanceof RowRefused)) throw error;
    return attempt('apart');
  }
}

/** A parked event as an operator sees it. */
export interface Parked {
  readonly owner: Owner;
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
  readonly type: string;
  readonly error: string;
  readonly parkedAt: string;
  /** Events of the same owner that wait behind it. */
  readonly behind: number;
}

/** The events that could not be applied, each with its error, and how many wait behind them. */
export async function parkedOf(
  sql: ReadModels,
  { schema }: ProjectionDefinition,
  owner?: Owner,
): Promise<Parked[]> {
  const rows = await sql<(Omit<Parked, 'parkedAt'> & { parked_at: string })[]>`
    select p.owner, p.stream, p.revision, p.position, p.type, p.error, p.parked_at,
      (select count(*)::int from ${sql(schema)}.parked b where b.owner = p.owner and b.error is null) as behind
    from ${sql(schema)}.parked p
    where p.error is not null and (${owner ?? null}::text is null or p.owner = ${owner ?? null})
    order by p.position`;
  return rows.map(({ parked_at, ...row }) => ({ ...row, parkedAt: parked_at }));
}
