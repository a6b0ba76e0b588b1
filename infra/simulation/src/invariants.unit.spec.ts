import { type DecisionRecord, newUserId, TipKind, TriggerKind, tenantId, VoidReason } from '@oo/contracts';
import { type GivenEvent, recorded } from '@oo/event-sourcing';
import { describe, expect, it } from 'vitest';
import { ENDED_ONCE, Invariants, NO_EFFECT_TWICE, ONE_ACTIVE_TIP } from './invariants.js';

const user = newUserId(tenantId('home'), new Uint8Array(16));
const AT = '2026-01-05T08:00:00Z';
const [ONE, TWO] = [1, 2].map((n) => `00000000-0000-4000-8000-00000000000${n}`) as [string, string];
const trigger = { kind: TriggerKind.TRIGGER_KIND_SIGNAL, id: ONE, at: AT };

const recordOf = (decisionId: string): DecisionRecord => ({
  decisionId,
  decidedAt: AT,
  trigger,
  policy: 'heuristic',
  policyVersion: 'v1',
  priorVersion: 'none',
  stateDigest: '0'.repeat(64),
  foldedTo: [],
  context: [],
  candidates: [{ ref: 'demo:task:1', kind: TipKind.TIP_KIND_TODO, features: [], probability: 1 }],
  unavailable: [],
  actProbability: 1,
  seed: '0'.repeat(16),
  choice: 'demo:task:1',
  momentReasons: [],
  tipReasons: [],
  holdsUntil: '2026-01-05T10:00:00Z',
  reconsiderAt: undefined,
  utcOffsetMinutes: 0,
});
const proposed = (id: string): GivenEvent => ({
  user,
  type: 'TipProposed',
  data: { decision: recordOf(id) },
});
const expired = (tipId: string): GivenEvent => ({ user, type: 'TipExpired', data: { tipId, shown: true } });
const voided = (decisionId: string): GivenEvent => {
  const reason = VoidReason.VOID_REASON_STALE;
  return { user, type: 'DecisionVoided', data: { decisionId, reason, trigger } };
};

/** What is violated by these events, if anything is. */
function violatedBy(...events: readonly GivenEvent[]): string | undefined {
  const invariants = new Invariants();
  for (const event of recorded(events)) invariants.appended({ ...event, storedAtMs: 0 });
  return invariants.violation?.invariant;
}

describe('the invariants of what is recorded', () => {
  it('hold for one tip behind the other', () => {
    expect(violatedBy(proposed(ONE), expired(ONE), proposed(TWO), expired(TWO))).toBeUndefined();
  });

  it('see a second tip while one is active', () => {
    expect(violatedBy(proposed(ONE), proposed(TWO))).toBe(ONE_ACTIVE_TIP);
  });

  it('see a decision point that ends twice, in whatever way', () => {
    expect(violatedBy(voided(ONE), voided(ONE))).toBe(ENDED_ONCE);
    expect(violatedBy(proposed(ONE), voided(ONE))).toBe(ENDED_ONCE);
  });

  it('see a deadline that fires twice', () => {
    expect(violatedBy(proposed(ONE), expired(ONE), expired(ONE))).toBe(NO_EFFECT_TWICE);
  });

  it('see an event that stands twice', () => {
    const invariants = new Invariants();
    const [event] = recorded([expired(ONE)]);
    if (event === undefined) throw new Error('no event');
    for (const revision of [0n, 1n]) invariants.appended({ ...event, revision, storedAtMs: 0 });
    expect(invariants.violation?.invariant).toBe(NO_EFFECT_TWICE);
  });
});
