import type { EventType, RecordedEvent } from '@oo/contracts';
import { TipKind } from '@oo/contracts';
import { type Change, defineProjection, present, update, upsert } from '@oo/event-sourcing/pure';
import { currentTipTable } from './tables.js';

const NO_TIP = {
  tip_id: null,
  kind: null,
  ref: null,
  proposed_at: null,
  holds_until: null,
  shown_at: null,
} as const;

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

/** Every event of the person's tips moves the revision; a tip is cleared only by an event about that tip. */
function apply(event: RecordedEvent<(typeof READS)[number]>): Change[] {
  const user_id = present(event.metadata.userId, 'userId');
  const { revision } = event;
  switch (event.type) {
    case 'TipProposed': {
      const decision = present(event.data.decision, 'decision');
      const chosen = decision.candidates.find(({ ref }) => ref === decision.choice);
      return [
        upsert(currentTipTable, {
          user_id,
          tip_id: decision.decisionId,
          kind:
            present(chosen, 'candidate of the choice').kind === TipKind.TIP_KIND_ADVICE ? 'advice' : 'todo',
          ref: decision.choice,
          proposed_at: present(decision.decidedAt, 'decidedAt'),
          holds_until: present(decision.holdsUntil, 'holdsUntil'),
          shown_at: null,
          revision,
        }),
      ];
    }
    case 'TipShown': {
      const when = { tip_id: event.data.tipId, shown_at: null };
      return [
        upsert(currentTipTable, { user_id, revision }),
        update(currentTipTable, { user_id }, { shown_at: event.metadata.occurredAt }, when),
      ];
    }
    case 'TipAccepted':
    case 'TipCompleted':
    case 'TipSnoozed':
    case 'TipDismissed':
    case 'TipExpired':
      return [
        upsert(currentTipTable, { user_id, revision }),
        update(currentTipTable, { user_id }, NO_TIP, { tip_id: event.data.tipId }),
      ];
    case 'TipWithheld':
    case 'DecisionVoided':
    case 'DecisionOutcomeClosed':
      return [upsert(currentTipTable, { user_id, revision })];
  }
}

export const currentTipProjection = defineProjection({
  name: 'current-tip',
  version: 1,
  tables: [currentTipTable],
  isAwaited: true,
  reads: READS,
  apply,
});
