import { isUserId, type UserId } from '@oo/contracts';
import { type ReadModels, rowsOf } from '@oo/event-sourcing';
import { deadlinesProjection } from './apply.js';
import type { DeadlineRow } from './tables.js';

/** An open outcome, and when it has to be closed. */
export interface Deadline {
  readonly userId: UserId;
  readonly decisionId: string;
  readonly dueAt: string;
  /** The tip's reference; null for a decision to wait. */
  readonly ref: string | null;
}

/**
 * What is due at `now` (RFC 3339), the longest overdue first.
 * @param after the last one of the page before
 */
export async function dueDeadlines(
  sql: ReadModels,
  now: string,
  limit: number,
  after?: Pick<Deadline, 'dueAt' | 'decisionId'>,
): Promise<Deadline[]> {
  const behind =
    after === undefined
      ? sql``
      : sql`and (due_at, decision_id) > (${sql.typed.instant(after.dueAt)}, ${after.decisionId})`;
  const rows = await rowsOf(sql<DeadlineRow[]>`
    select * from ${sql(deadlinesProjection.schema)}.deadlines
    where due_at <= ${sql.typed.instant(now)} ${behind} order by due_at, decision_id limit ${limit}`);
  return rows.map(deadlineOf);
}

/** The one that is due first, also in the future. */
export async function nextDeadline(sql: ReadModels): Promise<Deadline | undefined> {
  const [row] = await rowsOf(sql<DeadlineRow[]>`
    select * from ${sql(deadlinesProjection.schema)}.deadlines order by due_at, decision_id limit 1`);
  return row === undefined ? undefined : deadlineOf(row);
}

/** What is open of one person. */
export async function openDeadlines(sql: ReadModels, userId: UserId): Promise<Deadline[]> {
  const rows = await rowsOf(sql<DeadlineRow[]>`
    select * from ${sql(deadlinesProjection.schema)}.deadlines where user_id = ${userId} order by due_at`);
  return rows.map(deadlineOf);
}

function deadlineOf({ user_id, decision_id, due_at, ref }: DeadlineRow): Deadline {
  if (!isUserId(user_id)) throw new RangeError(`${decision_id} belongs to ${user_id}, which is no user id`);
  return { userId: user_id, decisionId: decision_id, dueAt: due_at, ref };
}
