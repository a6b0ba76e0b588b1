import {
  Answer,
  derivedCommandId,
  EVENTS,
  epochMs,
  eventFilter,
  isUserId,
  readEnvelope,
  TaskState,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import { type Clock, Poison, STREAMS, type WorkQueue } from '@oo/event-sourcing';
import type { Tips } from '../tips.js';
import { settled } from './reply.js';

type TaskEvent = 'TaskCompleted' | 'TaskObserved';
const subjectOf = (type: TaskEvent) => eventFilter(EVENTS[type].category).replace(/>$/, type);

/** Ends the active tip when what it tips at has been done, or is gone, at its source. */
export function completionQueue(tips: Tips, clock: Clock): WorkQueue {
  return {
    stream: STREAMS.events,
    durable: 'tips-completions',
    subjects: [subjectOf('TaskCompleted'), subjectOf('TaskObserved')],
    lane: ({ subject }) => subject.split('.').slice(0, 5).join('.'),
    handle: async (message) => {
      const event = eventOf(message.data);
      const { userId } = event.metadata;
      if (!isUserId(userId) || !endsTask(event)) return;
      await endTip(userId, event, tips, clock);
    },
  };
}

type TaskEnded = ReturnType<typeof eventOf>;

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

function eventOf(body: Uint8Array) {
  try {
    const event = readEnvelope(JSON.parse(new TextDecoder().decode(body)));
    if (event.type === 'TaskCompleted' || event.type === 'TaskObserved') return event;
  } catch (cause) {
    throw new Poison('not an event that can be read here', { cause });
  }
  throw new Poison('not an event of a task');
}
