import type { EventType, RecordedEvent } from '@oo/contracts';
import { type Change, defineProjection, type Json, present, upsert } from '@oo/event-sourcing/pure';
import { timelineTable } from './tables.js';

const READS = [
  'TaskObserved',
  'TaskCompleted',
  'HabitChecked',
  'BusyTimeObserved',
  'MoodReported',
  'ContextObserved',
  'UserRegistered',
  'PreferencesChanged',
  'ConsentGranted',
  'ConsentWithdrawn',
  'UserErased',
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

type TimelineEvent = RecordedEvent<(typeof READS)[number]>;

/** What a row says of an event beside its type and times. */
interface About {
  readonly ref?: string;
  readonly decisionId?: string;
  readonly features?: Readonly<Record<string, Json | undefined>>;
}

/** A list of what is let through, so that a new field of an event does not reach the table unasked. */
function about(event: TimelineEvent): About {
  switch (event.type) {
    case 'TaskObserved': {
      const { ref, state, priority, dueAt, estimatedMinutes } = event.data;
      return { ref, features: { state, priority, dueAt, estimatedMinutes } };
    }
    case 'TaskCompleted':
      return { ref: event.data.ref };
    case 'HabitChecked': {
      const { ref, done, streak } = event.data;
      return { ref, features: { done, streak } };
    }
    case 'BusyTimeObserved': {
      const { ref, startsAt, endsAt, cancelled } = event.data;
      return { ref, features: { startsAt, endsAt, cancelled } };
    }
    case 'MoodReported': {
      const { valence, energy } = event.data;
      return { features: { valence, energy } };
    }
    case 'ContextObserved': {
      const { kind, device, place, utcOffsetMinutes } = event.data;
      return { features: { kind, device, place, utcOffsetMinutes } };
    }
    case 'UserRegistered':
      return { features: { utcOffsetMinutes: event.data.utcOffsetMinutes } };
    case 'PreferencesChanged': {
      const { quietFromMinute, quietUntilMinute, dailyBudget } = event.data;
      return { features: { quietFromMinute, quietUntilMinute, dailyBudget } };
    }
    case 'ConsentGranted': {
      const { scope, termsVersion } = event.data;
      return { features: { scope, termsVersion } };
    }
    case 'ConsentWithdrawn':
      return { features: { scope: event.data.scope } };
    case 'UserErased':
      return { features: { requestedAt: event.data.requestedAt } };
    case 'TipProposed':
    case 'TipWithheld': {
      const { decisionId, choice, actProbability, unavailable, holdsUntil, trigger } = present(
        event.data.decision,
        'decision',
      );
      const features = { actProbability, unavailable, holdsUntil, trigger: trigger?.kind };
      return { ...(choice === '' ? {} : { ref: choice }), decisionId, features };
    }
    case 'DecisionVoided':
      return { decisionId: event.data.decisionId, features: { reason: event.data.reason } };
    case 'TipShown':
    case 'TipAccepted':
    case 'TipCompleted':
    case 'TipDismissed':
      return { decisionId: event.data.tipId };
    case 'TipSnoozed':
      return { decisionId: event.data.tipId, features: { until: event.data.until } };
    case 'TipExpired':
      return { decisionId: event.data.tipId, features: { shown: event.data.shown } };
    case 'DecisionOutcomeClosed': {
      const { decisionId, outcome, horizonStartedAt, horizonEndedAt } = event.data;
      return { decisionId, features: { outcome, horizonStartedAt, horizonEndedAt } };
    }
  }
}

function apply(event: TimelineEvent): Change[] {
  const { userId, occurredAt, recordedAt, producer } = event.metadata;
  const { ref = null, decisionId = null, features = {} } = about(event);
  return [
    upsert(timelineTable, {
      user_id: present(userId, 'userId'),
      position: event.position,
      event_id: event.id,
      type: event.type,
      stream: event.stream,
      revision: event.revision,
      producer,
      occurred_at: occurredAt,
      recorded_at: recordedAt,
      ref,
      decision_id: decisionId,
      features,
    }),
  ];
}

export const timelineProjection = defineProjection({
  name: 'timeline',
  version: 1,
  tables: [timelineTable],
  reads: READS,
  apply,
});
