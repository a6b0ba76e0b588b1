import {
  type CommandOf,
  canonicalJson,
  type DomainEvent,
  isUserId,
  payloadJson,
  problem,
  type RecordSignal,
  readEvent,
  readMetadata,
  signalCommandId,
} from '@oo/contracts';
import { type Decider, type Decision, fromTheFuture } from '@oo/event-sourcing/pure';

export type SignalEvent = DomainEvent<
  'TaskObserved' | 'TaskCompleted' | 'HabitChecked' | 'BusyTimeObserved' | 'MoodReported' | 'ContextObserved'
>;
export type RecordSignalCommand = CommandOf<'RecordSignal'>;

/** Over how many of a person's last signals a producer's key is honoured. */
export const IDEMPOTENCY_WINDOW = 1_000;

/** The signals of a person. Each stands for itself, so there is no state: only what was recorded already counts. */
export const signalsDecider: Decider<null, RecordSignalCommand, SignalEvent> = {
  evolves: [],
  initialState: () => null,
  evolve: (state) => state,
  decide({ context, idempotencyKey, signal }): Decision<SignalEvent> {
    const future = fromTheFuture(context);
    if (future !== undefined) return { problem: future };
    const { userId, producer, commandId } = context;
    if (!isUserId(userId) || commandId !== signalCommandId(userId, producer, idempotencyKey)) {
      return {
        problem: problem('invalid-input', 'Derive the command id of the person, the producer and its key.', [
          { field: 'context.commandId', message: 'must be that of the idempotency key' },
        ]),
      };
    }
    return { events: [eventOf(signal)] };
  },
};

/**
 * Whether a command whose key is recorded already brings the signal that is recorded under it. Times may differ: a
 * producer that sends again may have read its clock again.
 */
export function isRetry({ signal }: RecordSignalCommand, recorded: RecordedSignal): boolean {
  const event = eventOf(signal);
  if (event.type !== recorded.type) return false;
  // It may have been recorded in an older version, with fields that are called otherwise now.
  const { schemaVersion } = readMetadata(recorded.metadata);
  const before = readEvent(recorded.type, schemaVersion, recorded.data);
  return canonicalJson(payloadJson(event)) === canonicalJson(payloadJson(before));
}

/** An event as it was stored. */
interface RecordedSignal {
  readonly type: string;
  readonly data: unknown;
  readonly metadata: unknown;
}

function eventOf(signal: NonNullable<RecordSignal['signal']>): SignalEvent {
  switch (signal.$case) {
    case 'taskObserved':
      return { type: 'TaskObserved', data: signal.taskObserved };
    case 'taskCompleted':
      return { type: 'TaskCompleted', data: signal.taskCompleted };
    case 'habitChecked':
      return { type: 'HabitChecked', data: signal.habitChecked };
    case 'busyTimeObserved':
      return { type: 'BusyTimeObserved', data: signal.busyTimeObserved };
    case 'moodReported':
      return { type: 'MoodReported', data: signal.moodReported };
    case 'contextObserved':
      return { type: 'ContextObserved', data: signal.contextObserved };
  }
}
