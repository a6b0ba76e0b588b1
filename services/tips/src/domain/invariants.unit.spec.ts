import {
  Answer,
  type DecisionRecord,
  decisionIdOf,
  derivedCommandId,
  epochMs,
  instant,
  newUserId,
  TipKind,
  TriggerKind,
  tenantId,
  Unavailability,
} from '@oo/contracts';
import { fold } from '@oo/event-sourcing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TipsCommand } from './commands.js';
import type { TipsEvent, TipsState } from './state.js';
import { tipsDecider } from './tips.js';

const USER = newUserId(tenantId('home'), new Uint8Array(16));
const NINE = Date.parse('2026-03-02T09:00:00Z');

/** What happens to a person: times in seconds, decisions by number. */
type Step =
  | {
      kind: 'decide';
      decision: number;
      lag: number;
      holds: number;
      acts: boolean;
      available: boolean;
      consent: boolean;
    }
  | { kind: 'show'; decision: number }
  | { kind: 'answer'; decision: number; answer: Answer; skew: number }
  | { kind: 'close'; decision: number };
type Timed = Step & { after: number };

const DECISIONS = 12;
const decision = fc.nat(DECISIONS - 1);
/** The newest decision, most often. */
const LATEST = -1;
const earlier = fc.oneof({ weight: 3, arbitrary: fc.constant(LATEST) }, { weight: 1, arbitrary: decision });
const mostly = fc.nat(9).map((digit) => digit > 0);
const step: fc.Arbitrary<Timed> = fc
  .oneof(
    fc.record({
      kind: fc.constant('decide' as const),
      decision,
      lag: fc.oneof(fc.integer({ min: 0, max: 290 }), fc.integer({ min: -400, max: 400 })),
      holds: fc.constantFrom(15, 45 * 60, 120 * 60),
      acts: fc.boolean(),
      available: mostly,
      consent: mostly,
    }),
    fc.record({ kind: fc.constant('show' as const), decision: earlier }),
    fc.record({
      kind: fc.constant('answer' as const),
      decision: earlier,
      answer: fc.constantFrom(
        Answer.ANSWER_DONE,
        Answer.ANSWER_LATER,
        Answer.ANSWER_NO,
        Answer.ANSWER_WILL_DO,
      ),
      skew: fc.oneof(fc.constant(0), fc.integer({ min: -7_200, max: 320 })),
    }),
    fc.record({ kind: fc.constant('close' as const), decision: earlier }),
  )
  .chain((what) =>
    fc
      .oneof(fc.integer({ min: 0, max: 120 }), fc.integer({ min: 0, max: 3_600 }))
      .map((after) => ({ ...what, after })),
  );

const idOf = (number: number) =>
  decisionIdOf(USER, TriggerKind.TRIGGER_KIND_SIGNAL, derivedCommandId('trigger', String(number)));

function recordOf(what: Extract<Step, { kind: 'decide' }>, now: number): DecisionRecord {
  const decidedAt = instant(now - what.lag * 1_000);
  const acts = what.acts && what.available;
  return {
    decisionId: idOf(what.decision),
    decidedAt,
    trigger: {
      kind: TriggerKind.TRIGGER_KIND_SIGNAL,
      id: derivedCommandId('trigger', String(what.decision)),
      at: decidedAt,
    },
    policy: 'random',
    policyVersion: 'v0',
    priorVersion: 'none',
    stateDigest: '00'.repeat(32),
    foldedTo: [],
    context: [],
    candidates: [{ ref: 'demo:task:1', kind: TipKind.TIP_KIND_TODO, features: [], probability: 1 }],
    unavailable: what.available ? [] : [Unavailability.UNAVAILABILITY_QUIET_HOURS],
    actProbability: what.available ? 0.5 : 0,
    utcOffsetMinutes: 0,
    seed: '0'.repeat(16),
    choice: acts ? 'demo:task:1' : '',
    momentReasons: [],
    tipReasons: [],
    holdsUntil: instant(epochMs(decidedAt) + what.holds * 1_000),
  };
}

function commandOf(what: Step, index: number, now: number): TipsCommand {
  const context = {
    commandId: derivedCommandId('step', String(index)),
    userId: USER,
    tenantId: tenantId('home'),
    correlationId: derivedCommandId('step', 'correlation'),
    causationId: derivedCommandId('step', 'causation'),
    producer: 'page',
    occurredAt: instant(now),
    receivedAt: instant(now),
  };
  switch (what.kind) {
    case 'decide':
      return {
        type: 'RecordDecision',
        command: {
          context,
          decision: recordOf(what, now),
          terms: { mayTip: what.consent, dailyBudget: 3 },
        },
      };
    case 'show':
      return { type: 'ShowTip', command: { context, tipId: idOf(what.decision), deviceId: '' } };
    case 'answer':
      return {
        type: 'AnswerTip',
        command: {
          context: { ...context, occurredAt: instant(now + what.skew * 1_000) },
          tipId: idOf(what.decision),
          answer: what.answer,
        },
      };
    case 'close':
      return { type: 'CloseDecision', command: { context, decisionId: idOf(what.decision) } };
  }
}

/** Lives through the steps as the kit would: a decision point that has ended is not decided again. */
function live(steps: readonly Timed[]): TipsEvent[] {
  const history: TipsEvent[] = [];
  const ended = new Set<number>();
  let state: TipsState = tipsDecider.initialState();
  let now = NINE;
  let latest = 0;
  for (const [index, step] of steps.entries()) {
    now += step.after * 1_000;
    const what = step.decision === LATEST ? { ...step, decision: latest } : step;
    if (what.kind === 'decide' && ended.has(what.decision)) continue;
    const decided = tipsDecider.decide(commandOf(what, index, now), state);
    if ('problem' in decided) continue;
    if (what.kind === 'decide') {
      ended.add(what.decision);
      latest = what.decision;
    }
    history.push(...decided.events);
    state = fold(tipsDecider, state, decided.events);
  }
  return history;
}

const outcomes = (history: readonly TipsEvent[]) =>
  history.flatMap((event) => (event.type === 'DecisionOutcomeClosed' ? [event.data] : []));

describe('whatever happens, in whatever order', () => {
  // Long ones: most of what can go wrong takes several decisions.
  const anyLife = fc.array(step, { maxLength: 40, size: 'max' });
  const holds = (check: (history: TipsEvent[]) => void) =>
    fc.assert(
      fc.property(anyLife, (steps) => check(live(steps))),
      { numRuns: 400 },
    );

  it('one tip is active at the most', () => {
    holds((history) => {
      const active = new Set<string>();
      for (const event of history) {
        if (event.type === 'TipProposed') active.add(event.data.decision?.decisionId ?? '');
        else if ('tipId' in event.data && event.type !== 'TipShown') active.delete(event.data.tipId);
        expect(active.size).toBeLessThanOrEqual(1);
      }
    });
  });

  it('no two horizons overlap, and none reaches beyond its decision', () => {
    holds((history) => {
      const ends = new Map<string, string>();
      for (const event of history) {
        if (event.type !== 'TipProposed' && event.type !== 'TipWithheld') continue;
        const { decisionId = '', holdsUntil = '', decidedAt = '' } = event.data.decision ?? {};
        ends.set(decisionId, holdsUntil);
        expect(epochMs(decidedAt)).toBeLessThan(epochMs(holdsUntil));
      }
      const spans = outcomes(history)
        .map(({ decisionId, horizonStartedAt = '', horizonEndedAt = '' }) => ({
          decisionId,
          from: epochMs(horizonStartedAt),
          to: epochMs(horizonEndedAt),
        }))
        .sort((a, b) => a.from - b.from || a.to - b.to);
      for (const [index, span] of spans.entries()) {
        expect(span.from).toBeLessThanOrEqual(span.to);
        const before = spans[index - 1];
        if (before !== undefined) expect(span.from).toBeGreaterThanOrEqual(before.to);
        // An empty horizon may lie at the end of the one before.
        if (span.to > span.from)
          expect(span.to).toBeLessThanOrEqual(epochMs(ends.get(span.decisionId) ?? ''));
      }
    });
  });

  it('every available decision has one outcome once its time is over, and no other has any', () => {
    fc.assert(
      fc.property(anyLife, (steps) => {
        const closing = Array.from(
          { length: DECISIONS },
          (_, number): Timed => ({ kind: 'close', decision: number, after: 100_000 }),
        );
        const history = live([...steps, ...closing]);
        const available = history.flatMap((event) =>
          (event.type === 'TipProposed' || event.type === 'TipWithheld') &&
          event.data.decision?.unavailable.length === 0
            ? [event.data.decision.decisionId]
            : [],
        );
        expect(
          outcomes(history)
            .map(({ decisionId }) => decisionId)
            .sort(),
        ).toEqual(available.sort());
      }),
      { numRuns: 400 },
    );
  });

  it('a tip is shown once and answered once', () => {
    holds((history) => {
      const seen = new Set<string>();
      for (const event of history) {
        if (!('tipId' in event.data) || event.type === 'TipExpired') continue;
        const what = `${event.data.tipId} ${event.type === 'TipShown' ? 'shown' : 'answered'}`;
        expect(seen.has(what)).toBe(false);
        seen.add(what);
      }
    });
  });
});
