import {
  Answer,
  type DecisionRecord,
  decisionIdOf,
  derivedCommandId,
  instant,
  newUserId,
  OutcomeKind,
  TipKind,
  TriggerKind,
  tenantId,
  Unavailability,
  VoidReason,
} from '@oo/contracts';
import { specificationOf } from '@oo/event-sourcing';
import { describe, expect, it } from 'vitest';
import type { Terms, TipsCommand } from './commands.js';
import type { TipsEvent } from './state.js';
import { tipsDecider } from './tips.js';

const USER = newUserId(tenantId('home'), new Uint8Array(16));
const NINE = Date.parse('2026-03-02T09:00:00Z');
const at = (minutes: number) => instant(NINE + minutes * 60_000);
const uuid = (name: string) => derivedCommandId('spec', name);
const TERMS: Terms = { mayTip: true, dailyBudget: 3 };

/** A decision at `minutes` past nine, told apart by its trigger. */
function decision(name: string, minutes: number, change: Partial<DecisionRecord> = {}): DecisionRecord {
  const trigger = { kind: TriggerKind.TRIGGER_KIND_SIGNAL, id: uuid(name), at: at(minutes) };
  return {
    decisionId: decisionIdOf(USER, trigger.kind, trigger.id),
    decidedAt: at(minutes),
    trigger,
    policy: 'heuristic',
    policyVersion: 'v1',
    priorVersion: 'none',
    stateDigest: 'ab'.repeat(32),
    foldedTo: [],
    context: [],
    candidates: [
      { ref: 'demo:task:1', kind: TipKind.TIP_KIND_TODO, features: [], probability: 1 },
      { ref: 'demo:task:2', kind: TipKind.TIP_KIND_TODO, features: [], probability: 0 },
    ],
    unavailable: [],
    actProbability: 0.5,
    utcOffsetMinutes: 0,
    seed: '0'.repeat(16),
    choice: '',
    momentReasons: [],
    tipReasons: [],
    holdsUntil: at(minutes + 60),
    ...change,
  };
}
const tip = (name: string, minutes: number, change: Partial<DecisionRecord> = {}) =>
  decision(name, minutes, { choice: 'demo:task:1', holdsUntil: at(minutes + 120), ...change });
const proposed = (record: DecisionRecord): TipsEvent => ({ type: 'TipProposed', data: { decision: record } });
const withheld = (record: DecisionRecord): TipsEvent => ({ type: 'TipWithheld', data: { decision: record } });
const closed = (record: DecisionRecord, outcome: OutcomeKind, from: number, to: number): TipsEvent => ({
  type: 'DecisionOutcomeClosed',
  data: { decisionId: record.decisionId, outcome, horizonStartedAt: at(from), horizonEndedAt: at(to) },
});
const voided = ({ decisionId, trigger }: DecisionRecord, reason: VoidReason): TipsEvent => ({
  type: 'DecisionVoided',
  data: { decisionId, reason, trigger },
});

function context(minutes: number, receivedAt = minutes) {
  return {
    commandId: uuid(`command at ${minutes}`),
    userId: USER,
    tenantId: tenantId('home'),
    correlationId: uuid('correlation'),
    causationId: uuid('causation'),
    producer: 'page',
    occurredAt: at(minutes),
    receivedAt: at(receivedAt),
  };
}
const record = (what: DecisionRecord, now: number, terms: Partial<Terms> = {}): TipsCommand => ({
  type: 'RecordDecision',
  command: { context: context(now), decision: what, terms: { ...TERMS, ...terms } },
});
const show = ({ decisionId: tipId }: DecisionRecord, minutes: number): TipsCommand => ({
  type: 'ShowTip',
  command: { context: context(minutes), tipId, deviceId: 'phone' },
});
const answer = (
  { decisionId: tipId }: DecisionRecord,
  given: Answer,
  minutes: number,
  receivedAt = minutes,
): TipsCommand => ({
  type: 'AnswerTip',
  command: { context: context(minutes, receivedAt), tipId, answer: given },
});
const close = ({ decisionId }: DecisionRecord, minutes: number): TipsCommand => ({
  type: 'CloseDecision',
  command: { context: context(minutes), decisionId },
});

const given = specificationOf(tipsDecider);
const A = tip('a', 0);
const B = tip('b', 30);
const WAIT = decision('w', 0);

describe('a decision is recorded', () => {
  it('as the tip that it chose', () => given().when(record(A, 0)).then(proposed(A)));
  it('as a silence', () => given().when(record(WAIT, 0)).then(withheld(WAIT)));

  it('closing the waiting before it where its own horizon begins', () => {
    given(withheld(WAIT))
      .when(record(B, 30))
      .then(closed(WAIT, OutcomeKind.OUTCOME_KIND_WAITED, 0, 30), proposed(B));
  });
  it('closing the waiting before it at its own end, when that came first', () => {
    const late = tip('late', 90);
    given(withheld(WAIT))
      .when(record(late, 90))
      .then(closed(WAIT, OutcomeKind.OUTCOME_KIND_WAITED, 0, 60), proposed(late));
  });
  it('leaving the waiting before it open where speaking was not allowed', () => {
    const quiet = decision('quiet', 30, {
      unavailable: [Unavailability.UNAVAILABILITY_QUIET_HOURS],
      actProbability: 0,
    });
    given(withheld(WAIT)).when(record(quiet, 30)).then(withheld(quiet));
  });
  it('without a horizon where speaking was not allowed', () => {
    const quiet = decision('quiet', 0, {
      unavailable: [Unavailability.UNAVAILABILITY_QUIET_HOURS],
      actProbability: 0,
      holdsUntil: at(0),
    });
    given().when(record(quiet, 0)).then(withheld(quiet));
    const wait = decision('w', 0, { holdsUntil: at(0) });
    given().when(record(wait, 0)).then(voided(wait, VoidReason.VOID_REASON_INVALID));
  });
  it('with a horizon that begins where the last one ended, when its trigger is older', () => {
    given(proposed(A), closed(A, OutcomeKind.OUTCOME_KIND_COMPLETED, 0, 20))
      .when(close(decision('early', 10), 80))
      .thenNothingHappened();
    const early = decision('early', 10);
    given(
      proposed(A),
      { type: 'TipCompleted', data: { tipId: A.decisionId } },
      closed(A, OutcomeKind.OUTCOME_KIND_COMPLETED, 0, 20),
      withheld(early),
    )
      .when(close(early, 80))
      .then(closed(early, OutcomeKind.OUTCOME_KIND_WAITED, 20, 70));
  });
});

describe('a decision is void', () => {
  it('when a tip is active', () =>
    given(proposed(A)).when(record(B, 30)).then(voided(B, VoidReason.VOID_REASON_TIP_ACTIVE)));
  it('also a silence, when it says that speaking was allowed', () => {
    const wait = decision('w', 30);
    given(proposed(A)).when(record(wait, 30)).then(voided(wait, VoidReason.VOID_REASON_TIP_ACTIVE));
  });
  it('without consent', () =>
    given()
      .when(record(A, 0, { mayTip: false }))
      .then(voided(A, VoidReason.VOID_REASON_NO_CONSENT)));
  it('when the budget of the local day is spent, which silence does not need', () => {
    const spent = [
      proposed(A),
      { type: 'TipDismissed', data: { tipId: A.decisionId } },
      closed(A, OutcomeKind.OUTCOME_KIND_DISMISSED, 0, 5),
    ] as const satisfies TipsEvent[];
    given(...spent)
      .when(record(B, 30, { dailyBudget: 1 }))
      .then(voided(B, VoidReason.VOID_REASON_BUDGET_SPENT));
    given(...spent)
      .when(record(B, 30, { dailyBudget: 2 }))
      .then(proposed(B));
    const wait = decision('w', 30);
    given(...spent)
      .when(record(wait, 30, { dailyBudget: 1 }))
      .then(withheld(wait));
    // 09:00 in UTC is the evening before at 14 hours west, and the tip was of that day.
    const night = tip('night', 15 * 60, { utcOffsetMinutes: -14 * 60 });
    given(...spent)
      .when(record(night, 15 * 60, { dailyBudget: 1 }))
      .then(proposed(night));
  });
  it('when its moment is over', () => {
    given().when(record(A, 5)).then(proposed(A));
    given().when(record(A, 6)).then(voided(A, VoidReason.VOID_REASON_STALE));
  });
  it.each<[string, Partial<DecisionRecord>]>([
    ['a choice that is no candidate', { choice: 'demo:task:3' }],
    ['a choice of probability 0', { choice: 'demo:task:2' }],
    ['a choice although it never acts', { actProbability: 0 }],
    ['a choice where speaking was not allowed', { unavailable: [Unavailability.UNAVAILABILITY_QUIET_HOURS] }],
    ['an id that is not its trigger’s', { decisionId: uuid('another') }],
    ['an end before its beginning', { holdsUntil: at(-1) }],
    ['no end in sight', { holdsUntil: at(25 * 60) }],
  ])('with %s', (_, change) => {
    const wrong = tip('a', 0, change);
    given().when(record(wrong, 0)).then(voided(wrong, VoidReason.VOID_REASON_INVALID));
  });
});

describe('an answer', () => {
  it('from before the tip was there is refused', () => {
    given(proposed(B))
      .when(answer(B, Answer.ANSWER_DONE, 29, 31))
      .thenRejected('invalid-input');
  });
});

describe('a tip', () => {
  it('is shown once', () => {
    const shown: TipsEvent = { type: 'TipShown', data: { tipId: A.decisionId, deviceId: 'phone' } };
    given(proposed(A)).when(show(A, 1)).then(shown);
    given(proposed(A), shown).when(show(A, 2)).thenNothingHappened();
    given().when(show(A, 1)).thenRejected('unknown-tip');
  });

  const { decisionId: tipId } = A;
  it.each<[Answer, TipsEvent, OutcomeKind]>([
    [Answer.ANSWER_DONE, { type: 'TipCompleted', data: { tipId } }, OutcomeKind.OUTCOME_KIND_COMPLETED],
    [Answer.ANSWER_WILL_DO, { type: 'TipAccepted', data: { tipId } }, OutcomeKind.OUTCOME_KIND_ACCEPTED],
    [Answer.ANSWER_NO, { type: 'TipDismissed', data: { tipId } }, OutcomeKind.OUTCOME_KIND_DISMISSED],
    [
      Answer.ANSWER_LATER,
      { type: 'TipSnoozed', data: { tipId, until: at(10 + 180) } },
      OutcomeKind.OUTCOME_KIND_SNOOZED,
    ],
  ])('answered with %s closes its horizon', (what, event, outcome) => {
    given(proposed(A))
      .when(answer(A, what, 10))
      .then(event, closed(A, outcome, 0, 10));
    given(proposed(A), event, closed(A, outcome, 0, 10))
      .when(record(B, 30))
      .then(proposed(B));
  });

  it('keeps its first answer', () => {
    const done: TipsEvent = { type: 'TipCompleted', data: { tipId } };
    given(proposed(A), done)
      .when(answer(A, Answer.ANSWER_NO, 11))
      .thenRejected('already-answered');
    given(proposed(A), done)
      .when(answer(A, Answer.ANSWER_DONE, 11))
      .thenNothingHappened();
  });
  it('takes an answer after its end as a fact that closes nothing', () => {
    given(proposed(A))
      .when(answer(A, Answer.ANSWER_NO, 125))
      .then({ type: 'TipDismissed', data: { tipId } });
    const expired: TipsEvent[] = [
      { type: 'TipExpired', data: { tipId, shown: false } },
      closed(A, OutcomeKind.OUTCOME_KIND_NEVER_SHOWN, 0, 120),
    ];
    given(proposed(A), ...expired)
      .when(answer(A, Answer.ANSWER_DONE, 60, 24 * 60))
      .then({ type: 'TipCompleted', data: { tipId } });
  });
  it('takes an answer that was on its way when the grace began', () => {
    given(proposed(A))
      .when(answer(A, Answer.ANSWER_DONE, 119, 125))
      .then({ type: 'TipCompleted', data: { tipId } }, closed(A, OutcomeKind.OUTCOME_KIND_COMPLETED, 0, 119));
  });
  it('is unknown after seven days', () => {
    given(proposed(A))
      .when(answer(A, Answer.ANSWER_DONE, 60, 7 * 24 * 60 + 1))
      .thenRejected('unknown-tip');
    given()
      .when(answer(A, Answer.ANSWER_DONE, 10))
      .thenRejected('unknown-tip');
  });
  it('refuses an answer out of the future, and does not let a fast clock stretch its horizon', () => {
    given(proposed(A))
      .when(answer(A, Answer.ANSWER_DONE, 16, 10))
      .thenRejected('from-the-future');
    given(proposed(A))
      .when(answer(A, Answer.ANSWER_DONE, 14, 10))
      .then({ type: 'TipCompleted', data: { tipId } }, closed(A, OutcomeKind.OUTCOME_KIND_COMPLETED, 0, 10));
  });
});

describe('the end of a decision', () => {
  const expired = (shown: boolean): TipsEvent => ({
    type: 'TipExpired',
    data: { tipId: A.decisionId, shown },
  });
  it('expires a tip that nobody saw', () => {
    given(proposed(A))
      .when(close(A, 130))
      .then(expired(false), closed(A, OutcomeKind.OUTCOME_KIND_NEVER_SHOWN, 0, 120));
  });
  it('expires a tip that was seen and left', () => {
    given(proposed(A), { type: 'TipShown', data: { tipId: A.decisionId, deviceId: '' } })
      .when(close(A, 130))
      .then(expired(true), closed(A, OutcomeKind.OUTCOME_KIND_IGNORED, 0, 120));
  });
  it('comes early when what was tipped is gone', () => {
    given(proposed(A))
      .when(close(A, 15))
      .then(expired(false), closed(A, OutcomeKind.OUTCOME_KIND_NEVER_SHOWN, 0, 15));
  });
  it('closes a waiting', () => {
    given(withheld(WAIT))
      .when(close(WAIT, 61))
      .then(closed(WAIT, OutcomeKind.OUTCOME_KIND_WAITED, 0, 60));
  });
  it('happens once, and not to an unavailable decision', () => {
    given(proposed(A), expired(false), closed(A, OutcomeKind.OUTCOME_KIND_NEVER_SHOWN, 0, 120))
      .when(close(A, 131))
      .thenNothingHappened();
    const quiet = decision('q', 0, {
      unavailable: [Unavailability.UNAVAILABILITY_QUIET_HOURS],
      actProbability: 0,
    });
    given(withheld(quiet)).when(close(quiet, 61)).thenNothingHappened();
  });
});

it('the end of one decision leaves another open', () => {
  given(withheld(WAIT)).when(close(A, 61)).thenNothingHappened();
  given(proposed(A)).when(close(WAIT, 61)).thenNothingHappened();
});

it('an unreadable proposal is void', () => {
  const { decisionId, trigger } = A;
  const command = { context: context(0), decisionId, trigger: trigger ?? expect.fail() };
  given().when({ type: 'VoidDecision', command }).then(voided(A, VoidReason.VOID_REASON_INVALID));
});
