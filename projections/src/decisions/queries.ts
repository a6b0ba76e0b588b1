import type { DecisionId, UserId } from '@oo/contracts';
import { type ReadModels, rowsOf } from '@oo/event-sourcing';
import { type Page, type PageRequest, pageOf } from '../page.js';
import { decisionsProjection } from './apply.js';
import type { DecisionRow } from './tables.js';

/** A decision as it was made, and what became of it. */
export interface Decision {
  /** A tip is called by the id of the decision that proposed it. */
  readonly decisionId: string;
  readonly userId: string;
  readonly position: bigint;
  /** Where the whole record stands in `tips-USER`. */
  readonly revision: bigint;
  readonly kind: 'proposed' | 'withheld' | 'voided';
  readonly decidedAt: string | null;
  readonly trigger: DecisionRow['trigger'];
  /** Whether speaking was allowed; null for a void one, like everything that only a record has. */
  readonly available: boolean | null;
  readonly unavailable: DecisionRow['unavailable'];
  readonly actProbability: number | null;
  /** The chosen candidate's reference; null where the decision was to wait. */
  readonly choice: string | null;
  readonly choiceKind: 'todo' | 'advice' | null;
  readonly policy: string | null;
  readonly policyVersion: string | null;
  readonly priorVersion: string | null;
  readonly momentReasons: DecisionRow['moment_reasons'];
  readonly tipReasons: DecisionRow['tip_reasons'];
  readonly holdsUntil: string | null;
  readonly reconsiderAt: string | null;
  readonly voidReason: string | null;
  readonly shownAt: string | null;
  readonly answer: 'done' | 'will-do' | 'later' | 'no' | null;
  readonly answeredAt: string | null;
  readonly expired: boolean;
  readonly outcome: string | null;
  readonly horizonEndedAt: string | null;
}

/** The newest decisions of a person, or those behind the page that gave `before`. */
export async function decisionsPage(
  sql: ReadModels,
  userId: UserId,
  request: PageRequest,
): Promise<Page<Decision>> {
  return pageOf(request, async ({ before, count }) => {
    const rows = await rowsOf(sql<DecisionRow[]>`
      select * from ${sql(decisionsProjection.schema)}.decisions
      where user_id = ${userId} and position < ${before}
      order by position desc limit ${count}`);
    return rows.map(decisionOf);
  });
}

/** The newest decision of a kind. */
export async function lastDecision(
  sql: ReadModels,
  userId: UserId,
  kind: Decision['kind'],
): Promise<Decision | undefined> {
  const [row] = await sql<DecisionRow[]>`
    select * from ${sql(decisionsProjection.schema)}.decisions
    where user_id = ${userId} and kind = ${kind}
    order by position desc limit 1`;
  return row === undefined ? undefined : decisionOf(row);
}

/** Any person's decision: the caller has to compare `userId`. */
export async function decisionById(sql: ReadModels, id: DecisionId): Promise<Decision | undefined> {
  const [row] = await rowsOf(sql<DecisionRow[]>`
    select * from ${sql(decisionsProjection.schema)}.decisions where decision_id = ${id}
    order by position limit 1`);
  return row === undefined ? undefined : decisionOf(row);
}

const KINDS = ['proposed', 'withheld', 'voided'] as const;
const CHOICES = ['todo', 'advice'] as const;
const ANSWERS = ['done', 'will-do', 'later', 'no'] as const;

function decisionOf(row: DecisionRow): Decision {
  const kind = oneOf(KINDS, row.kind);
  if (kind === null) throw new RangeError(`${row.decision_id} has no kind ${row.kind}`);
  return {
    decisionId: row.decision_id,
    userId: row.user_id,
    position: row.position,
    revision: row.revision,
    kind,
    decidedAt: row.decided_at,
    trigger: row.trigger,
    available: row.available,
    unavailable: row.unavailable,
    actProbability: row.act_probability,
    choice: row.choice,
    choiceKind: oneOf(CHOICES, row.choice_kind),
    policy: row.policy,
    policyVersion: row.policy_version,
    priorVersion: row.prior_version,
    momentReasons: row.moment_reasons,
    tipReasons: row.tip_reasons,
    holdsUntil: row.holds_until,
    reconsiderAt: row.reconsider_at,
    voidReason: row.void_reason,
    shownAt: row.shown_at,
    answer: oneOf(ANSWERS, row.answer),
    answeredAt: row.answered_at,
    expired: row.expired,
    outcome: row.outcome,
    horizonEndedAt: row.horizon_ended_at,
  };
}

function oneOf<Name extends string>(names: readonly Name[], text: string | null): Name | null {
  return names.find((name) => name === text) ?? null;
}
