import type { CommandOf, DecisionRecord, Trigger } from '@oo/contracts';
import type { CommandContext } from '@oo/event-sourcing/pure';

/** What a person has settled, as far as it bounds their tips. */
export interface Terms {
  /** Consent stands. */
  readonly mayTip: boolean;
  /** Tips in a local day at the most. */
  readonly dailyBudget: number;
}

/** A decision of the recommender, to be made a fact. */
export interface RecordDecision {
  readonly context: CommandContext;
  readonly decision: DecisionRecord;
  readonly terms: Terms;
}

/** A proposal of which not more can be read than what it was about. */
export interface VoidDecision {
  readonly context: CommandContext;
  readonly decisionId: string;
  readonly trigger: Trigger;
}

export type TipsCommand =
  | { readonly type: 'RecordDecision'; readonly command: RecordDecision }
  | { readonly type: 'VoidDecision'; readonly command: VoidDecision }
  | { readonly type: 'ShowTip'; readonly command: CommandOf<'ShowTip'> }
  | { readonly type: 'AnswerTip'; readonly command: CommandOf<'AnswerTip'> }
  | { readonly type: 'CloseDecision'; readonly command: CommandOf<'CloseDecision'> };
