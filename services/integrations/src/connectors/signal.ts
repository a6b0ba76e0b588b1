import { type DomainEvent, type Instant, payloadJson } from '@oo/contracts';

/** Types of events that a producer may send in. */
export type SignalType =
  | 'TaskObserved'
  | 'TaskCompleted'
  | 'HabitChecked'
  | 'BusyTimeObserved'
  | 'MoodReported'
  | 'ContextObserved';

export const SIGNAL_TYPES: readonly SignalType[] = [
  'TaskObserved',
  'TaskCompleted',
  'HabitChecked',
  'BusyTimeObserved',
  'MoodReported',
  'ContextObserved',
];

/** One thing that happened, ready for the public ingress: references and features, no text. */
export interface Signal {
  /** 1 to 128 printable ASCII characters. The same key again is the same signal. */
  readonly idempotencyKey: string;
  readonly occurredAt: Instant;
  readonly event: DomainEvent<SignalType>;
}

/** The body of `POST /v1/signals`. */
export function signalBody({ idempotencyKey, occurredAt, event }: Signal): Record<string, unknown> {
  return { type: event.type, idempotencyKey, occurredAt, data: payloadJson(event) };
}
