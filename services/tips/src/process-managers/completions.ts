import {
  Answer,
  derivedCommandId,
  EVENTS,
  epochMs,
  eventFilter,
  isUserId,
  type RecordedEvent,
  readEnvelope,
  streamOf,
  TaskState,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import { type Clock, type EventStore, envelopeOf, Poison, STREAMS, type WorkQueue } from '@oo/event-sourcing';
import type { Tips } from '../tips.js';
import { settled } from './reply.js';

type TaskEvent = 'TaskCompleted' | 'TaskObserved';
type Heard = TaskEvent | 'TipProposed';
const subjectOf = (type: Heard) => eventFilter(EVENTS[type].category).replace(/>$/, type);

/** Signals that a decision may have been too early for; more come one by one. */
const OVERTAKEN = 200;

/**
 * Ends the active tip when what it tips at has been done, or is gone, at its source. The signal may have come while
 * the decision was on its way, so a new tip looks at what its decision had not seen.
 */
export function completionQueue(tips: Tips, store: Pick<EventStore, 'readForward'>, clock: Clock): WorkQueue {
  return {
    stream: STREAMS.events,
    durable: 'tips-completions',
    subjects: [subjectOf('TaskCompleted'), subjectOf('TaskObserved'), subjectOf('TipProposed')],
    lane: ({ subject }) => subject.split('.').slice(0, 5).join('.'),
    handle: async (message) => {
      const event = eventOf(message.data);
      const { userId } = event.metadata;
      if (!isUserId(userId)) return;
      const ends = event.type === 'TipProposed' ? await overtaking(userId, event, store) : [event];
      for (const end of ends.filter(endsTask)) await endTip(userId, end, tips, clock);
    },
  };
}

type HeardEvent = RecordedEvent<Heard>;
type TaskEnded = RecordedEvent<TaskEvent>;

/** The task events behind the last signal that the tip's decision was folded to. */
async function overtaking(
  user: UserId,
  { data: { decision } }: RecordedEvent<'TipProposed'>,
  store: Pick<EventStore, 'readForward'>,
): Promise<TaskEnded[]> {
  const stream = streamOf('signals', user);
  const folded = decision?.foldedTo.find((one) => one.stream === stream)?.revision ?? -1n;
  const missed = await store.readForward(stream, folded + 1n, OVERTAKEN);
  return missed
    .filter(({ type }) => isTaskEvent(type))
    .map((stored) => readEnvelope(envelopeOf(stored)) as TaskEnded);
}

async function endTip(userId: UserId, event: TaskEnded, tips: Tips, clock: Clock): Promise<void> {
  const tip = await tips.active(userId);
  if (tip === undefined || tip.ref !== event.data.ref) return;
  const { recordedAt, occurredAt, correlationId } = event.metadata;
  // Delivered again, or late: an earlier round of a task that comes back.
  if (epochMs(recordedAt) < epochMs(tip.proposedAt)) return;
  const now = clock.now();
  const context = {
    userId,
    tenantId: tenantOf(userId),
    correlationId,
    causationId: event.id,
    producer: 'tips',
    occurredAt,
    receivedAt: now,
  };
  // Done before it was tipped at: the tip has not brought it about.
  const doneSince = event.type === 'TaskCompleted' && epochMs(occurredAt) >= epochMs(tip.proposedAt);
  const reply = doneSince
    ? await tips.handle({
        type: 'AnswerTip',
        command: {
          context: { ...context, commandId: derivedCommandId('complete-tip', tip.id) },
          tipId: tip.id,
          answer: Answer.ANSWER_DONE,
        },
      })
    : await tips.handle({
        type: 'CloseDecision',
        command: {
          context: { ...context, commandId: derivedCommandId('close-decision', tip.id), occurredAt: now },
          decisionId: tip.id,
        },
      });
  // A person may have answered in the same moment; then theirs stands.
  settled(reply);
}

const endsTask = ({ type, data }: TaskEnded): boolean =>
  type === 'TaskCompleted' || data.state === TaskState.TASK_STATE_GONE;

const isTaskEvent = (type: string): type is TaskEvent => type === 'TaskCompleted' || type === 'TaskObserved';

function eventOf(body: Uint8Array): HeardEvent {
  try {
    const event = readEnvelope(JSON.parse(new TextDecoder().decode(body)));
    if (event.type === 'TaskCompleted' || event.type === 'TaskObserved' || event.type === 'TipProposed') {
      return event;
    }
  } catch (cause) {
    throw new Poison('not an event that can be read here', { cause });
  }
  throw new Poison('not an event of a task');
}
