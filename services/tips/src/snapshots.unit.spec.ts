import { createHash } from 'node:crypto';
import { Answer, type DecisionRecord, instant, OutcomeKind, TipKind } from '@oo/contracts';
import { decodeSnapshot, encodeSnapshot, fold } from '@oo/event-sourcing';
import { describe, expect, it } from 'vitest';
import type { TipsEvent } from './domain/state.js';
import { tipsDecider } from './domain/tips.js';
import { tipsSnapshots } from './snapshots.js';

const NINE = Date.parse('2026-03-02T09:00:00Z');
const at = (minutes: number) => instant(NINE + minutes * 60_000);
const decision = (decisionId: string, minutes: number, choice: string): DecisionRecord => ({
  decisionId,
  decidedAt: at(minutes),
  trigger: undefined,
  policy: 'heuristic',
  policyVersion: 'v1',
  priorVersion: 'none',
  stateDigest: '',
  foldedTo: [],
  context: [],
  candidates: [{ ref: choice, kind: TipKind.TIP_KIND_TODO, features: [], probability: 1 }],
  unavailable: [],
  actProbability: 0.5,
  utcOffsetMinutes: 0,
  seed: '0'.repeat(16),
  choice,
  momentReasons: [],
  tipReasons: [],
  holdsUntil: at(minutes + 60),
});
const closed = (decisionId: string, outcome: OutcomeKind, from: number, to: number): TipsEvent => ({
  type: 'DecisionOutcomeClosed',
  data: { decisionId, outcome, horizonStartedAt: at(from), horizonEndedAt: at(to) },
});

/** Something of each kind; the last tip is open. */
const EVENTS: readonly TipsEvent[] = [
  { type: 'TipWithheld', data: { decision: decision('w', 0, '') } },
  closed('w', OutcomeKind.OUTCOME_KIND_WAITED, 0, 60),
  ...(['TipAccepted', 'TipCompleted', 'TipDismissed'] as const).flatMap((type, index): TipsEvent[] => [
    { type: 'TipProposed', data: { decision: decision(type, 100 * index + 70, `demo:task:${index}`) } },
    { type: 'TipShown', data: { tipId: type, deviceId: 'phone' } },
    { type, data: { tipId: type } },
    closed(type, OutcomeKind.OUTCOME_KIND_COMPLETED, 100 * index + 70, 100 * index + 90),
  ]),
  { type: 'TipProposed', data: { decision: decision('later', 400, 'demo:task:4') } },
  { type: 'TipSnoozed', data: { tipId: 'later', until: at(600) } },
  closed('later', OutcomeKind.OUTCOME_KIND_SNOOZED, 400, 410),
  { type: 'TipProposed', data: { decision: decision('unseen', 700, 'demo:task:5') } },
  { type: 'TipExpired', data: { tipId: 'unseen', shown: false } },
  { type: 'TipProposed', data: { decision: decision('open', 800, 'demo:task:6') } },
];

describe('a snapshot of tips', () => {
  it('gives back the state after each event, so that the rest is folded as from the beginning', () => {
    const whole = fold(tipsDecider, tipsDecider.initialState(), EVENTS);
    for (let cut = 0; cut <= EVENTS.length; cut++) {
      const state = fold(tipsDecider, tipsDecider.initialState(), EVENTS.slice(0, cut));
      const snapshot = {
        state,
        revision: BigInt(cut),
        position: 7n,
        eventId: 'e',
        recordedAt: 't',
        commands: [],
      };
      const bytes = encodeSnapshot(tipsSnapshots, 'tips', 9, snapshot);
      const read = decodeSnapshot(tipsSnapshots, 'tips', 9, bytes);
      expect(read).toEqual(snapshot);
      expect(fold(tipsDecider, read?.state ?? expect.fail(), EVENTS.slice(cut))).toEqual(whole);
    }
    expect([...whole.tips.values()].map(({ answer }) => answer)).toContain(Answer.ANSWER_NO);
  });

  it('has a version that changes with what the events come to', () => {
    const kept = JSON.stringify(tipsSnapshots.encode(fold(tipsDecider, tipsDecider.initialState(), EVENTS)));
    const digest = createHash('sha256').update(kept).digest('hex').slice(0, 16);
    // Where only the digest differs: states of before would live on in snapshots. Raise the version, and put both here.
    expect([tipsSnapshots.version, digest]).toEqual([1, 'd63fe448e5af8b57']);
  });

  it('that is no state of tips is not read', () => {
    for (const json of [
      null,
      [],
      {},
      { tips: [['a', {}]] },
      { tips: [], active: 1 },
      { tips: [], more: 1 },
    ]) {
      expect(() => tipsSnapshots.decode(json)).toThrow();
    }
  });
});
