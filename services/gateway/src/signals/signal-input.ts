import { type EventType, edge, epochMs, type Instant } from '@oo/contracts';
import { z } from 'zod';

type SignalType = Extract<
  EventType,
  'TaskObserved' | 'TaskCompleted' | 'HabitChecked' | 'BusyTimeObserved' | 'MoodReported' | 'ContextObserved'
>;

/**
 * A time as the contracts parse it: a canonical instant. None before 1970: a clock that was never set, or a field that
 * was left out, which some languages write as the year 1.
 */
export const moment = edge.timestamp
  .refine((text) => epochMs(text) >= 0, 'must not be before 1970; give the time at which it happened')
  .transform((text) => text as Instant);

const signalOf = <Type extends SignalType>(type: Type) =>
  z.strictObject({
    type: z.literal(type),
    /** The producer's own key of this signal; the same key again records nothing twice. */
    idempotencyKey: edge.idempotencyKey,
    /** When it happened. */
    occurredAt: moment,
    data: edge.events[type],
    /** Whose signal it is. Only ever one's own. */
    userId: z.string().optional(),
  });

/** What `POST /v1/signals` takes. */
export const signalInput = z.discriminatedUnion(
  'type',
  [
    signalOf('TaskObserved'),
    signalOf('TaskCompleted'),
    signalOf('HabitChecked'),
    signalOf('BusyTimeObserved'),
    signalOf('MoodReported'),
    signalOf('ContextObserved'),
  ],
  {
    error:
      'must be TaskObserved, TaskCompleted, HabitChecked, BusyTimeObserved, MoodReported or ContextObserved',
  },
);
export type SignalInput = z.infer<typeof signalInput>;

/** What is answered when it is recorded, now or before. */
export const signalRecorded = z.object({
  eventId: z.uuid(),
  stream: z.string(),
  revision: z.string().regex(/^\d+$/),
  duplicate: z.boolean(),
});
export type SignalRecorded = z.infer<typeof signalRecorded>;
