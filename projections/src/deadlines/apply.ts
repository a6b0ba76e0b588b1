import { type EventType, epochMs, instant, type RecordedEvent } from '@oo/contracts';
import { type Change, defineProjection, present, remove, upsert } from '@oo/event-sourcing/pure';
import { deadlinesTable } from './tables.js';

/** How long after a tip's end an answer may still be on its way from a page. */
export const ANSWER_GRACE_MS = 10 * 60_000;

const READS = ['TipProposed', 'TipWithheld', 'DecisionOutcomeClosed'] as const satisfies readonly EventType[];

function apply(event: RecordedEvent<(typeof READS)[number]>): Change[] {
  const user_id = present(event.metadata.userId, 'userId');
  if (event.type === 'DecisionOutcomeClosed') {
    return [remove(deadlinesTable, { user_id, decision_id: event.data.decisionId })];
  }
  const decision = present(event.data.decision, 'decision');
  // An unavailable decision has no outcome.
  if (decision.unavailable.length > 0) return [];
  const holds_until = present(decision.holdsUntil, 'holdsUntil');
  const isTip = event.type === 'TipProposed';
  return [
    upsert(deadlinesTable, {
      decision_id: decision.decisionId,
      user_id,
      ref: isTip ? decision.choice : null,
      holds_until,
      due_at: isTip ? instant(epochMs(holds_until) + ANSWER_GRACE_MS) : holds_until,
    }),
  ];
}

export const deadlinesProjection = defineProjection({
  name: 'deadlines',
  version: 1,
  tables: [deadlinesTable],
  reads: READS,
  apply,
});
