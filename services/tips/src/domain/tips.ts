import {
  ANSWER_WINDOW_MS,
  Answer,
  type CommandOf,
  epochMs,
  instant,
  problem,
  VoidReason,
} from '@oo/contracts';
import { type CommandContext, type Decider, type Decision, fromTheFuture } from '@oo/event-sourcing/pure';
import type { TipsCommand } from './commands.js';
import { answered, closing } from './outcome.js';
import { recordDecision } from './record-decision.js';
import {
  type AnswerEvent,
  earlier,
  evolve,
  type GivenAnswer,
  initialState,
  type Tip,
  type TipsEvent,
  type TipsState,
} from './state.js';

/** How long "later" silences a tip. */
export const SNOOZE_MS = 3 * 60 * 60_000;
/**
 * Over how many of the last events of a person's tips a command that comes again is recognised. They hold a week at the
 * usual pace; at the most decisions that are possible, three days.
 */
export const TIPS_WINDOW = 2_000;

/** The life of a decision and of its tip. */
export const tipsDecider: Decider<TipsState, TipsCommand, TipsEvent> = {
  evolves: [
    'TipProposed',
    'TipWithheld',
    'TipShown',
    'TipAccepted',
    'TipCompleted',
    'TipSnoozed',
    'TipDismissed',
    'TipExpired',
    'DecisionOutcomeClosed',
  ],
  initialState,
  evolve,
  decide(command, state): Decision<TipsEvent> {
    switch (command.type) {
      case 'RecordDecision':
        return { events: recordDecision(command.command, state) };
      case 'VoidDecision': {
        const { decisionId, trigger } = command.command;
        const reason = VoidReason.VOID_REASON_INVALID;
        return { events: [{ type: 'DecisionVoided', data: { decisionId, reason, trigger } }] };
      }
      case 'ShowTip':
        return ofTip(command.command, state, (tip) => {
          const { tipId, deviceId } = command.command;
          return { events: tip.shown ? [] : [{ type: 'TipShown', data: { tipId, deviceId } }] };
        });
      case 'AnswerTip':
        return ofTip(command.command, state, (tip) => answerTip(command.command, tip, state));
      case 'CloseDecision':
        return { events: closeDecision(command.command, state) };
    }
  },
};

function ofTip(
  { context, tipId }: { context: CommandContext; tipId: string },
  state: TipsState,
  decide: (tip: Tip) => Decision<TipsEvent>,
): Decision<TipsEvent> {
  const future = fromTheFuture(context);
  if (future !== undefined) return { problem: future };
  const tip = state.tips.get(tipId);
  const age =
    tip === undefined ? Number.POSITIVE_INFINITY : epochMs(context.receivedAt) - epochMs(tip.proposedAt);
  if (tip === undefined || age > ANSWER_WINDOW_MS) {
    return {
      problem: problem('unknown-tip', 'No tip of the last seven days has this id. Load the page again.'),
    };
  }
  return decide(tip);
}

function answerTip(command: CommandOf<'AnswerTip'>, tip: Tip, { open }: TipsState): Decision<TipsEvent> {
  const { tipId, context } = command;
  if (epochMs(context.occurredAt) < epochMs(tip.proposedAt)) {
    const message = 'is before the tip was there; give the time of the answer';
    return {
      problem: problem('invalid-input', `Correct and send again. answeredAt: ${message}`, [
        { field: 'answeredAt', message },
      ]),
    };
  }
  const answer = given(command.answer);
  if (tip.answer !== undefined) {
    if (tip.answer === answer) return { events: [] };
    return { problem: problem('already-answered', 'The first answer stands. Load the page again.') };
  }
  const event = answerEvent(tipId, answer, context.occurredAt);
  // After the end of its horizon an answer is a fact that closes nothing: the deadline does.
  if (open?.decisionId !== tipId || epochMs(context.occurredAt) > epochMs(open.endsAt))
    return { events: [event] };
  // A page whose clock runs ahead must not stretch the horizon into the next decision's.
  return { events: [event, answered(open, answer, earlier(context.occurredAt, context.receivedAt))] };
}

function answerEvent(tipId: string, answer: GivenAnswer, at: string): AnswerEvent {
  switch (answer) {
    case Answer.ANSWER_DONE:
      return { type: 'TipCompleted', data: { tipId } };
    case Answer.ANSWER_WILL_DO:
      return { type: 'TipAccepted', data: { tipId } };
    case Answer.ANSWER_LATER:
      return { type: 'TipSnoozed', data: { tipId, until: instant(epochMs(at) + SNOOZE_MS) } };
    case Answer.ANSWER_NO:
      return { type: 'TipDismissed', data: { tipId } };
  }
}

/** The edge lets no unspecified answer through. */
function given(answer: Answer): GivenAnswer {
  if (answer === Answer.ANSWER_UNSPECIFIED) throw new TypeError('an answer that is none');
  return answer;
}

/** Time is over, or what was tipped is gone: what is still open of the decision ends. */
function closeDecision({ decisionId, context }: CommandOf<'CloseDecision'>, state: TipsState): TipsEvent[] {
  const events: TipsEvent[] = [];
  if (state.active === decisionId) {
    const shown = state.tips.get(decisionId)?.shown === true;
    events.push({ type: 'TipExpired', data: { tipId: decisionId, shown } });
  }
  if (state.open?.decisionId === decisionId) events.push(closing(state.open, context.occurredAt, state));
  return events;
}
