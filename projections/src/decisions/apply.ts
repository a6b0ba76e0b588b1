import { type EventType, type RecordedEvent, TipKind, type Trigger } from '@oo/contracts';
import { type Change, defineProjection, type Json, present, update, upsert } from '@oo/event-sourcing/pure';
import { type DecisionRow, decisionsTable } from './tables.js';

const READS = [
  'TipProposed',
  'TipWithheld',
  'DecisionVoided',
  'TipShown',
  'TipAccepted',
  'TipCompleted',
  'TipSnoozed',
  'TipDismissed',
  'TipExpired',
  'DecisionOutcomeClosed',
] as const satisfies readonly EventType[];

type DecisionEvent = RecordedEvent<(typeof READS)[number]>;

/** A decision before anything is known of it. */
const UNKNOWN = {
  decided_at: null,
  available: null,
  unavailable: null,
  act_probability: null,
  choice: null,
  choice_kind: null,
  policy: null,
  policy_version: null,
  prior_version: null,
  moment_reasons: null,
  tip_reasons: null,
  holds_until: null,
  reconsider_at: null,
  void_reason: null,
  shown_at: null,
  answer: null,
  answered_at: null,
  expired: false,
  outcome: null,
  horizon_ended_at: null,
} as const satisfies Partial<DecisionRow>;

function apply(event: DecisionEvent): Change[] {
  switch (event.type) {
    case 'TipProposed':
      return [recordedDecision(event, 'proposed')];
    case 'TipWithheld':
      return [recordedDecision(event, 'withheld')];
    case 'DecisionVoided':
      return [
        upsert(decisionsTable, {
          ...UNKNOWN,
          ...keyOf(event, event.data.decisionId),
          ...placeOf(event),
          kind: 'voided',
          trigger: triggerOf(event.data.trigger),
          void_reason: event.data.reason,
        }),
      ];
    case 'TipShown':
      return [
        update(
          decisionsTable,
          keyOf(event, event.data.tipId),
          { shown_at: event.metadata.occurredAt },
          { shown_at: null },
        ),
      ];
    case 'TipAccepted':
      return [answered(event, event.data.tipId, 'will-do')];
    case 'TipCompleted':
      return [answered(event, event.data.tipId, 'done')];
    case 'TipSnoozed':
      return [answered(event, event.data.tipId, 'later')];
    case 'TipDismissed':
      return [answered(event, event.data.tipId, 'no')];
    case 'TipExpired':
      return [update(decisionsTable, keyOf(event, event.data.tipId), { expired: true })];
    case 'DecisionOutcomeClosed': {
      const { decisionId, outcome, horizonEndedAt } = event.data;
      const set = { outcome, horizon_ended_at: horizonEndedAt ?? null };
      return [update(decisionsTable, keyOf(event, decisionId), set)];
    }
  }
}

function recordedDecision(
  event: RecordedEvent<'TipProposed' | 'TipWithheld'>,
  kind: 'proposed' | 'withheld',
): Change {
  const decision = present(event.data.decision, 'decision');
  const chosen = decision.candidates.find(({ ref }) => ref === decision.choice);
  return upsert(decisionsTable, {
    ...UNKNOWN,
    ...keyOf(event, decision.decisionId),
    ...placeOf(event),
    kind,
    decided_at: present(decision.decidedAt, 'decidedAt'),
    trigger: triggerOf(decision.trigger),
    available: decision.unavailable.length === 0,
    unavailable: decision.unavailable,
    act_probability: decision.actProbability,
    choice: decision.choice === '' ? null : decision.choice,
    choice_kind: chosen === undefined ? null : chosen.kind === TipKind.TIP_KIND_ADVICE ? 'advice' : 'todo',
    policy: decision.policy,
    policy_version: decision.policyVersion,
    prior_version: decision.priorVersion,
    moment_reasons: decision.momentReasons.map(({ code, contribution }) => ({ code, contribution })),
    tip_reasons: decision.tipReasons.map(({ code, contribution }) => ({ code, contribution })),
    holds_until: present(decision.holdsUntil, 'holdsUntil'),
    reconsider_at: decision.reconsiderAt ?? null,
  });
}

function keyOf(event: DecisionEvent, decisionId: string) {
  return { user_id: present(event.metadata.userId, 'userId'), decision_id: decisionId };
}

function placeOf({ position, revision }: DecisionEvent) {
  return { position, revision };
}

function triggerOf(trigger: Trigger | undefined): Json {
  const { kind, id, at } = present(trigger, 'trigger');
  return { kind, id, at };
}

function answered(event: DecisionEvent, decisionId: string, answer: string): Change {
  return update(decisionsTable, keyOf(event, decisionId), { answer, answered_at: event.metadata.occurredAt });
}

export const decisionsProjection = defineProjection({
  name: 'decisions',
  version: 1,
  tables: [decisionsTable],
  reads: READS,
  apply,
});
