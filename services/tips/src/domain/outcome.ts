import { type Answer, OutcomeKind } from '@oo/contracts';
import { earlier, type GivenAnswer, type Horizon, later, type TipsEvent, type TipsState } from './state.js';

type Closed = Extract<TipsEvent, { type: 'DecisionOutcomeClosed' }>;

const OUTCOME_OF: Record<GivenAnswer, OutcomeKind> = {
  ANSWER_DONE: OutcomeKind.OUTCOME_KIND_COMPLETED,
  ANSWER_WILL_DO: OutcomeKind.OUTCOME_KIND_ACCEPTED,
  ANSWER_LATER: OutcomeKind.OUTCOME_KIND_SNOOZED,
  ANSWER_NO: OutcomeKind.OUTCOME_KIND_DISMISSED,
} satisfies Record<Exclude<Answer, Answer.ANSWER_UNSPECIFIED>, OutcomeKind>;

/** Closes a horizon with an answer that was given at `at`. */
export function answered(open: Horizon, answer: GivenAnswer, at: string): Closed {
  return closed(open, OUTCOME_OF[answer], at);
}

/** Closes a horizon that nothing came of, at its end or at `at`, whichever is earlier. */
export function closing(open: Horizon, at: string, { tips }: TipsState): Closed {
  if (open.kind === 'wait') return closed(open, OutcomeKind.OUTCOME_KIND_WAITED, at);
  const shown = tips.get(open.decisionId)?.shown === true;
  return closed(open, shown ? OutcomeKind.OUTCOME_KIND_IGNORED : OutcomeKind.OUTCOME_KIND_NEVER_SHOWN, at);
}

function closed({ decisionId, startsAt, endsAt }: Horizon, outcome: OutcomeKind, at: string): Closed {
  return {
    type: 'DecisionOutcomeClosed',
    data: {
      decisionId,
      outcome,
      horizonStartedAt: startsAt,
      horizonEndedAt: later(startsAt, earlier(at, endsAt)),
    },
  };
}
