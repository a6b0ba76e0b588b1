import { ANSWER_WINDOW_MS, Answer, type DecisionRecord, type DomainEvent, epochMs } from '@oo/contracts';

export type TipsEvent = DomainEvent<
  | 'TipProposed'
  | 'TipWithheld'
  | 'DecisionVoided'
  | 'TipShown'
  | 'TipAccepted'
  | 'TipCompleted'
  | 'TipSnoozed'
  | 'TipDismissed'
  | 'TipExpired'
  | 'DecisionOutcomeClosed'
>;
export type AnswerEvent = Extract<
  TipsEvent,
  { type: 'TipAccepted' | 'TipCompleted' | 'TipSnoozed' | 'TipDismissed' }
>;
export type GivenAnswer = Exclude<Answer, Answer.ANSWER_UNSPECIFIED>;

export interface Tip {
  readonly ref: string;
  readonly proposedAt: string;
  readonly shown: boolean;
  readonly answer?: GivenAnswer;
}

/** The stretch of time in which what happens counts as the outcome of a decision. */
export interface Horizon {
  readonly decisionId: string;
  readonly kind: 'tip' | 'wait';
  readonly startsAt: string;
  readonly endsAt: string;
}

/** The tips of a person. */
export interface TipsState {
  /** The one tip that is on the page. */
  readonly active: string | undefined;
  /** Tips of the last days, by id. */
  readonly tips: ReadonlyMap<string, Tip>;
  /** The horizon whose outcome is not known yet; there is never more than one. */
  readonly open: Horizon | undefined;
  /** Where the last closed horizon ended. None begins before it. */
  readonly closedUntil: string | undefined;
}

/** A day longer than an answer from a page that was offline can still find its tip. */
const REMEMBERED_MS = ANSWER_WINDOW_MS + 86_400_000;

export const initialState = (): TipsState => ({
  active: undefined,
  tips: new Map(),
  open: undefined,
  closedUntil: undefined,
});

export function evolve(state: TipsState, event: TipsEvent): TipsState {
  switch (event.type) {
    case 'TipProposed': {
      const { decision } = event.data;
      if (decision === undefined) return state;
      const proposedAt = decision.decidedAt ?? '';
      const tip: Tip = { ref: decision.choice, proposedAt, shown: false };
      return {
        ...state,
        active: decision.decisionId,
        tips: new Map([...recent(state.tips, proposedAt), [decision.decisionId, tip]]),
        open: horizonOf(decision, state),
      };
    }
    case 'TipWithheld': {
      const { decision } = event.data;
      return decision === undefined || !isAvailable(decision)
        ? state
        : { ...state, open: horizonOf(decision, state) };
    }
    case 'DecisionVoided':
      return state;
    case 'TipShown':
      return withTip(state, event.data.tipId, { shown: true });
    case 'TipAccepted':
    case 'TipCompleted':
    case 'TipSnoozed':
    case 'TipDismissed':
      return withTip(ended(state, event.data.tipId), event.data.tipId, { answer: ANSWER_OF[event.type] });
    case 'TipExpired':
      return ended(state, event.data.tipId);
    case 'DecisionOutcomeClosed': {
      const { decisionId, horizonEndedAt = '' } = event.data;
      return {
        ...state,
        open: state.open?.decisionId === decisionId ? undefined : state.open,
        closedUntil: later(state.closedUntil, horizonEndedAt),
      };
    }
  }
}

export const ANSWER_OF = {
  TipAccepted: Answer.ANSWER_WILL_DO,
  TipCompleted: Answer.ANSWER_DONE,
  TipSnoozed: Answer.ANSWER_LATER,
  TipDismissed: Answer.ANSWER_NO,
} as const satisfies Record<AnswerEvent['type'], GivenAnswer>;

/** True where speaking was allowed, so that the decision has an outcome. */
export const isAvailable = (decision: DecisionRecord): boolean => decision.unavailable.length === 0;

/** From the decision on, but not before the last horizon's end: a late trigger may be decided after newer answers. */
export function horizonOf(decision: DecisionRecord, state: Pick<TipsState, 'closedUntil'>): Horizon {
  const startsAt = later(state.closedUntil, decision.decidedAt ?? '');
  return {
    decisionId: decision.decisionId,
    kind: decision.choice === '' ? 'wait' : 'tip',
    startsAt,
    endsAt: later(startsAt, decision.holdsUntil ?? ''),
  };
}

/** The later of two instants. */
export function later(a: string | undefined, b: string): string {
  return a !== undefined && epochMs(a) > epochMs(b) ? a : b;
}

/** The earlier of two instants. */
export function earlier(a: string, b: string): string {
  return epochMs(a) < epochMs(b) ? a : b;
}

function ended(state: TipsState, tipId: string): TipsState {
  return state.active === tipId ? { ...state, active: undefined } : state;
}

function withTip(state: TipsState, tipId: string, change: Partial<Tip>): TipsState {
  const tip = state.tips.get(tipId);
  return tip === undefined
    ? state
    : { ...state, tips: new Map([...state.tips, [tipId, { ...tip, ...change }]]) };
}

function recent(tips: TipsState['tips'], now: string): [string, Tip][] {
  return [...tips].filter(([, tip]) => epochMs(now) - epochMs(tip.proposedAt) <= REMEMBERED_MS);
}
