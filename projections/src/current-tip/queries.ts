import type { UserId } from '@oo/contracts';
import { type ReadModels, rowsOf } from '@oo/event-sourcing';
import { currentTipProjection } from './apply.js';
import type { CurrentTipRow } from './tables.js';

/** The tip that is active for a person. */
export interface ActiveTip {
  /** The id of the decision that proposed it. */
  readonly tipId: string;
  readonly kind: 'todo' | 'advice';
  readonly ref: string;
  readonly proposedAt: string;
  readonly holdsUntil: string;
  readonly shownAt: string | null;
}

export interface CurrentTip {
  readonly tip: ActiveTip | null;
  /** Revision of the person's tips stream that this reflects; -1 where the stream has no event yet. */
  readonly revision: bigint;
}

export async function currentTip(sql: ReadModels, userId: UserId): Promise<CurrentTip> {
  const [row] = await rowsOf(sql<CurrentTipRow[]>`
    select * from ${sql(currentTipProjection.schema)}.current_tip where user_id = ${userId}`);
  return row === undefined ? { tip: null, revision: -1n } : { tip: activeTip(row), revision: row.revision };
}

function activeTip(row: CurrentTipRow): ActiveTip | null {
  const { tip_id, kind, ref, proposed_at, holds_until, shown_at } = row;
  if (tip_id === null || ref === null || proposed_at === null || holds_until === null) return null;
  return {
    tipId: tip_id,
    kind: kind === 'advice' ? 'advice' : 'todo',
    ref,
    proposedAt: proposed_at,
    holdsUntil: holds_until,
    shownAt: shown_at,
  };
}
