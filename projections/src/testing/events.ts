import { createHash, randomBytes } from 'node:crypto';
import {
  type DecisionRecord,
  newUserId,
  TipKind,
  TriggerKind,
  tenantId,
  type Unavailability,
  type UserId,
} from '@oo/contracts';
import type { GivenEvent } from '@oo/event-sourcing';

/** Somebody new. */
export const someone = (): UserId => newUserId(tenantId('home'), randomBytes(16));

/** The same UUID for the same name. */
export function uuid(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

interface Deciding {
  readonly id: string;
  readonly at?: string;
  readonly until?: string;
  readonly choice?: string;
  readonly kind?: TipKind;
  readonly unavailable?: Unavailability[];
}

/** A decision record with everything that it has to have. */
export function decisionRecord({
  id,
  at = '2026-01-05T08:00:00Z',
  until = '2026-01-05T10:00:00Z',
  choice = '',
  kind = TipKind.TIP_KIND_TODO,
  unavailable = [],
}: Deciding): DecisionRecord {
  return {
    decisionId: id,
    decidedAt: at,
    trigger: { kind: TriggerKind.TRIGGER_KIND_SIGNAL, id: uuid(`trigger of ${id}`), at },
    policy: 'heuristic',
    policyVersion: 'v1',
    priorVersion: 'none',
    stateDigest: 'a'.repeat(64),
    foldedTo: [],
    context: [0.5],
    candidates: [
      { ref: 'oo:advice:stretch', kind: TipKind.TIP_KIND_ADVICE, features: [0], probability: 0.25 },
      ...(choice === '' || choice === 'oo:advice:stretch'
        ? []
        : [{ ref: choice, kind, features: [1], probability: 0.75 }]),
    ],
    unavailable,
    actProbability: unavailable.length > 0 ? 0 : 0.4,
    utcOffsetMinutes: 0,
    seed: '0123456789abcdef',
    choice,
    momentReasons: [{ code: 'task-due', contribution: 0.5 }],
    tipReasons: choice === '' ? [] : [{ code: 'due-soon', contribution: 1.5 }],
    holdsUntil: until,
    reconsiderAt: undefined,
  };
}

/** What a person can do in a specification, one event each. */
export function lifeOf(user: UserId) {
  const tip = (id: string) => ({ tipId: id });
  return {
    proposed: (deciding: Deciding & { readonly choice: string }): GivenEvent => ({
      user,
      type: 'TipProposed',
      data: { decision: decisionRecord(deciding) },
    }),
    withheld: (deciding: Deciding): GivenEvent => ({
      user,
      type: 'TipWithheld',
      data: { decision: decisionRecord(deciding) },
    }),
    shown: (id: string, occurredAt: string): GivenEvent => ({
      user,
      occurredAt,
      type: 'TipShown',
      data: { ...tip(id), deviceId: 'phone-1' },
    }),
    accepted: (id: string, occurredAt: string): GivenEvent => ({
      user,
      occurredAt,
      type: 'TipAccepted',
      data: tip(id),
    }),
    completed: (id: string, occurredAt: string): GivenEvent => ({
      user,
      occurredAt,
      type: 'TipCompleted',
      data: tip(id),
    }),
    snoozed: (id: string, occurredAt: string, until: string): GivenEvent => ({
      user,
      occurredAt,
      type: 'TipSnoozed',
      data: { ...tip(id), until },
    }),
    dismissed: (id: string, occurredAt: string): GivenEvent => ({
      user,
      occurredAt,
      type: 'TipDismissed',
      data: tip(id),
    }),
    expired: (id: string, shown: boolean): GivenEvent => ({
      user,
      type: 'TipExpired',
      data: { ...tip(id), shown },
    }),
    mood: (valence: number, occurredAt = '2026-01-05T08:00:00Z'): GivenEvent => ({
      user,
      occurredAt,
      type: 'MoodReported',
      data: { valence, energy: 0 },
    }),
  };
}
