import {
  ConsentScope,
  ContextKind,
  Device,
  type DomainEvent,
  type EventPayloads,
  type EventType,
  OutcomeKind,
  Place,
  Priority,
  TaskState,
  TriggerKind,
  VoidReason,
} from '@oo/contracts';
import { decisionRecord, uuid } from './events.js';

const AT = '2026-01-05T08:00:00Z';
const LATER = '2026-01-05T09:00:00Z';

/** What happens to a person; priors and judgements are everybody's, and feed no read model of people. */
type PersonEventType = Exclude<EventType, 'PriorPublished' | 'PolicyJudged'>;

/** A payload of each type of event. What `n` is the same for belongs together: a tip and its answers. */
const SAMPLES: { readonly [Type in PersonEventType]: (n: number) => EventPayloads[Type] } = {
  TaskObserved: (n) => ({
    ref: `demo:task:${n}`,
    state: TaskState.TASK_STATE_OPEN,
    priority: Priority.PRIORITY_HIGH,
    dueAt: LATER,
    estimatedMinutes: 15,
  }),
  TaskCompleted: (n) => ({ ref: `demo:task:${n}` }),
  HabitChecked: (n) => ({ ref: `demo:habit:${n}`, done: true, streak: n }),
  BusyTimeObserved: (n) => ({ ref: `demo:busy:${n}`, startsAt: AT, endsAt: LATER, cancelled: false }),
  MoodReported: (n) => ({ valence: (n % 5) - 2, energy: 0 }),
  ContextObserved: () => ({
    kind: ContextKind.CONTEXT_KIND_PAGE_OPENED,
    device: Device.DEVICE_PHONE,
    place: Place.PLACE_HOME,
    utcOffsetMinutes: 60,
  }),
  UserRegistered: () => ({ utcOffsetMinutes: 60 }),
  PreferencesChanged: (n) => ({ quietFromMinute: 1320, quietUntilMinute: 420, dailyBudget: n }),
  ConsentGranted: () => ({ scope: ConsentScope.CONSENT_SCOPE_TIPS, termsVersion: 'v1' }),
  ConsentWithdrawn: () => ({ scope: ConsentScope.CONSENT_SCOPE_TIPS }),
  UserErased: () => ({ requestedAt: AT }),
  TipProposed: (n) => ({ decision: decisionRecord({ id: idOf(n), choice: `demo:task:${n}` }) }),
  TipWithheld: (n) => ({ decision: decisionRecord({ id: idOf(n) }) }),
  DecisionVoided: (n) => ({
    decisionId: idOf(n),
    reason: VoidReason.VOID_REASON_STALE,
    trigger: { kind: TriggerKind.TRIGGER_KIND_SIGNAL, id: uuid(`trigger ${n}`), at: AT },
  }),
  TipShown: (n) => ({ tipId: idOf(n), deviceId: 'phone-1' }),
  TipAccepted: (n) => ({ tipId: idOf(n) }),
  TipCompleted: (n) => ({ tipId: idOf(n) }),
  TipSnoozed: (n) => ({ tipId: idOf(n), until: LATER }),
  TipDismissed: (n) => ({ tipId: idOf(n) }),
  TipExpired: (n) => ({ tipId: idOf(n), shown: true }),
  DecisionOutcomeClosed: (n) => ({
    decisionId: idOf(n),
    outcome: OutcomeKind.OUTCOME_KIND_COMPLETED,
    horizonStartedAt: AT,
    horizonEndedAt: LATER,
  }),
  ParkedEventSkipped: (n) => ({
    projection: 'another',
    stream: 'tips-home_00000000000000000000000000',
    revision: BigInt(n),
    eventType: 'TipShown',
    reason: 'a sample',
  }),
};

const idOf = (n: number) => uuid(`decision ${n}`);

export const EVENT_TYPES = Object.keys(SAMPLES) as readonly PersonEventType[];

export function sampleOf(type: PersonEventType, n: number): DomainEvent {
  return { type, data: SAMPLES[type](n) } as DomainEvent;
}
