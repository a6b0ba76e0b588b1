import { type DecisionRecord, decisionIdOf, epochMs, isUserId, VoidReason } from '@oo/contracts';
import type { RecordDecision, Terms } from './commands.js';
import { closing } from './outcome.js';
import { isAvailable, type TipsEvent, type TipsState } from './state.js';

/** A proposal that comes later than this after its moment is void. */
export const STALE_AFTER_MS = 5 * 60_000;
/** No tip and no waiting holds longer. */
export const LONGEST_HORIZON_MS = 24 * 60 * 60_000;

/** Ends a decision point: the tip or the silence becomes a fact if the invariants hold, else it is void. */
export function recordDecision({ context, decision, terms }: RecordDecision, state: TipsState): TipsEvent[] {
  const reason = voidReason(context, decision, terms, state);
  if (reason !== undefined) {
    const { decisionId, trigger } = decision;
    return [{ type: 'DecisionVoided', data: { decisionId, reason, trigger } }];
  }
  const { choice, decidedAt = '' } = decision;
  const fact: TipsEvent = { type: choice === '' ? 'TipWithheld' : 'TipProposed', data: { decision } };
  // Its own horizon begins where the open one ends.
  return isAvailable(decision) && state.open !== undefined
    ? [closing(state.open, decidedAt, state), fact]
    : [fact];
}

function voidReason(
  context: RecordDecision['context'],
  decision: DecisionRecord,
  terms: Terms,
  state: TipsState,
): VoidReason | undefined {
  if (!isSound(context.userId, decision)) return VoidReason.VOID_REASON_INVALID;
  const age = epochMs(context.receivedAt) - epochMs(decision.decidedAt ?? '');
  if (Math.abs(age) > STALE_AFTER_MS) return VoidReason.VOID_REASON_STALE;
  // Where speaking was not allowed, the record says so itself and nothing is claimed.
  if (!isAvailable(decision)) return undefined;
  if (state.active !== undefined) return VoidReason.VOID_REASON_TIP_ACTIVE;
  if (!terms.mayTip) return VoidReason.VOID_REASON_NO_CONSENT;
  if (decision.choice !== '' && tipsOfDay(decision, state) >= terms.dailyBudget) {
    return VoidReason.VOID_REASON_BUDGET_SPENT;
  }
  return undefined;
}

/** Whether the record agrees with itself. */
function isSound(userId: string, decision: DecisionRecord): boolean {
  const { trigger, choice, candidates, actProbability } = decision;
  const [decidedAt, holdsUntil] = [epochMs(decision.decidedAt ?? ''), epochMs(decision.holdsUntil ?? '')];
  const held = holdsUntil - decidedAt;
  // Silence where speaking was not allowed has no outcome, hence no horizon.
  const shortest = isAvailable(decision) ? 1 : 0;
  if (trigger === undefined || !(held >= shortest && held <= LONGEST_HORIZON_MS)) return false;
  if (!isUserId(userId) || decision.decisionId !== decisionIdOf(userId, trigger.kind, trigger.id))
    return false;
  if (choice === '') return isAvailable(decision) || actProbability === 0;
  const chosen = candidates.find(({ ref }) => ref === choice);
  return isAvailable(decision) && actProbability > 0 && chosen !== undefined && chosen.probability > 0;
}

/** Tips of the local day, reckoned as the recommender did: only its fold knows where the person is. */
function tipsOfDay(decision: DecisionRecord, { tips }: TipsState): number {
  const day = (at: string) => Math.floor((epochMs(at) + decision.utcOffsetMinutes * 60_000) / 86_400_000);
  const today = day(decision.decidedAt ?? '');
  return [...tips.values()].filter(({ proposedAt }) => day(proposedAt) === today).length;
}
