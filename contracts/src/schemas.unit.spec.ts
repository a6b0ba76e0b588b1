import { describe, expect, it } from 'vitest';
import { EVENTS, type EventType, isEventType, payloadJson, readEvent } from './events.js';
import { eventIdOf, newUserId, signalCommandId, tenantId } from './ids.js';
import { RecordSignal } from './messages.js';
import { edge, recorded } from './schemas.js';

const USER = newUserId(tenantId('home'), new Uint8Array(16));
const COMMAND = signalCommandId(USER, 'demo', 'k');
const UUID = eventIdOf(COMMAND, 0, '');
const AT = '2026-03-02T08:00:00Z';

const trigger = { kind: 'TRIGGER_KIND_SIGNAL', id: UUID, at: AT };
const decision = {
  decisionId: UUID,
  decidedAt: AT,
  trigger,
  policy: 'heuristic',
  policyVersion: 'v1',
  priorVersion: 'none',
  stateDigest: 'ab'.repeat(32),
  foldedTo: [{ stream: `signals-${USER}`, revision: '18446744073709551615' }],
  context: [0.1, -2, 1e-9],
  candidates: [{ ref: 'demo:task:1', kind: 'TIP_KIND_TODO', features: [1, 0.5], probability: 1 }],
  actProbability: 0.25,
  seed: '00ff'.repeat(4),
  choice: 'demo:task:1',
  momentReasons: [{ code: 'page-open', contribution: 1.5 }],
  holdsUntil: AT,
  reconsiderAt: AT,
};

/** One payload of each type with every field set, as canonical proto3 JSON. */
const PAYLOADS: { readonly [Type in EventType]: Record<string, unknown> } = {
  TaskObserved: {
    ref: 'demo:task:1',
    state: 'TASK_STATE_GONE',
    priority: 'PRIORITY_HIGH',
    dueAt: AT,
    estimatedMinutes: 15,
  },
  TaskCompleted: { ref: 'demo:task:1' },
  HabitChecked: { ref: 'demo:habit:1', done: true, streak: 3 },
  BusyTimeObserved: {
    ref: 'demo:busy:1',
    startsAt: AT,
    endsAt: '2026-03-02T09:00:00.250Z',
    cancelled: true,
  },
  MoodReported: { valence: -2, energy: 2 },
  ContextObserved: {
    kind: 'CONTEXT_KIND_PAGE_OPENED',
    device: 'DEVICE_PHONE',
    place: 'PLACE_HOME',
    utcOffsetMinutes: -720,
  },
  UserRegistered: { utcOffsetMinutes: 60 },
  PreferencesChanged: { quietFromMinute: 1320, quietUntilMinute: 420, dailyBudget: 3 },
  ConsentGranted: { scope: 'CONSENT_SCOPE_TIPS', termsVersion: 'v1' },
  ConsentWithdrawn: { scope: 'CONSENT_SCOPE_SHARED_PRIOR' },
  UserErased: { requestedAt: AT },
  TipProposed: { decision },
  TipWithheld: { decision: { ...decision, unavailable: ['UNAVAILABILITY_QUIET_HOURS'] } },
  DecisionVoided: { decisionId: UUID, reason: 'VOID_REASON_STALE', trigger },
  TipShown: { tipId: UUID, deviceId: 'phone-1' },
  TipAccepted: { tipId: UUID },
  TipCompleted: { tipId: UUID },
  TipSnoozed: { tipId: UUID, until: AT },
  TipDismissed: { tipId: UUID },
  TipExpired: { tipId: UUID, shown: true },
  DecisionOutcomeClosed: {
    decisionId: UUID,
    outcome: 'OUTCOME_KIND_WAITED',
    horizonStartedAt: AT,
    horizonEndedAt: AT,
  },
  ParkedEventSkipped: {
    projection: 'timeline',
    stream: 'tips-home_00000000000000000000000000',
    revision: '7',
    eventType: 'TipShown',
    reason: 'a time before the epoch',
  },
  PriorPublished: {
    version: 'people.1',
    features: 'v2',
    digest: 'ab'.repeat(32),
    parameters: '{"names":[]}',
    people: 12,
    outcomes: 3400,
  },
  PolicyJudged: {
    policy: 'learned',
    policyVersion: 'v1',
    priorVersion: 'people.1',
    passed: true,
    reason: 'worse',
    refused: 'too few effective rows',
    estimate: 0.25,
    low: 0.1,
    high: 0.4,
    logged: 0.2,
    decisions: 3400,
    people: 12,
    effective: 812.5,
    margin: 0.05,
  },
};
const TYPES = Object.keys(EVENTS).filter(isEventType);

describe('a payload', () => {
  it.each(TYPES)('%s is written as it was read', (type) => {
    const event = readEvent(type, EVENTS[type].version, PAYLOADS[type]);
    expect(payloadJson(event)).toEqual(PAYLOADS[type]);
    expect(readEvent(type, EVENTS[type].version, JSON.parse(JSON.stringify(payloadJson(event))))).toEqual(
      event,
    );
  });

  it.each(TYPES)(
    '%s with a field that is not known is refused at the edge and read from the record',
    (type) => {
      const json = { ...PAYLOADS[type], mood: 'fine' };
      const refused = edge.events[type].safeParse(json);
      expect(refused.error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['mood'] }]);
      expect(readEvent(type, EVENTS[type].version, json)).toEqual(
        readEvent(type, EVENTS[type].version, PAYLOADS[type]),
      );
    },
  );

  it('is strict in depth too', () => {
    const json = { decision: { ...decision, trigger: { ...trigger, text: 'buy milk' } } };
    expect(edge.events.TipProposed.safeParse(json).success).toBe(false);
    expect(recorded.events.TipProposed.safeParse(json).success).toBe(true);
  });

  it('has the default of each field that canonical JSON leaves out', () => {
    expect(edge.events.MoodReported.parse({})).toEqual({ valence: 0, energy: 0 });
    expect(edge.events.TaskObserved.parse({ ref: 'demo:task:1' })).toEqual({
      ref: 'demo:task:1',
      state: 'TASK_STATE_OPEN',
      priority: 'PRIORITY_NORMAL',
    });
  });
});

describe('a time', () => {
  it.each([
    ['2026-03-02T08:00:00+01:00', '2026-03-02T07:00:00Z'],
    ['2026-03-02t08:00:00z', '2026-03-02T08:00:00Z'],
    ['2026-03-02T08:00:00.1239Z', '2026-03-02T08:00:00.123Z'],
    ['2026-03-02T08:00:00.000-00:30', '2026-03-02T08:30:00Z'],
  ])('%s becomes %s', (given, instant) => {
    expect(edge.timestamp.parse(given)).toBe(instant);
  });
  it.each(['2026-03-02', '2026-03-02T08:00:00', '2026-02-30T08:00:00Z', '2026-03-02T25:00:00Z', 'now', ''])(
    '%j is none',
    (text) => expect(edge.timestamp.safeParse(text).success).toBe(false),
  );
});

describe('no text gets in', () => {
  it.each(['buy milk', 'demo:task', 'demo:task:buy milk', 'demo:task:é', `demo:task:${'x'.repeat(65)}`])(
    '%j is not a reference',
    (ref) => expect(edge.events.TaskCompleted.safeParse({ ref }).success).toBe(false),
  );
  it('a device id is not a sentence either', () => {
    expect(edge.deviceId.safeParse('my phone').success).toBe(false);
  });
});

describe('a command', () => {
  const context = {
    commandId: COMMAND,
    userId: USER,
    tenantId: 'home',
    correlationId: UUID,
    causationId: UUID,
    producer: 'demo',
    occurredAt: AT,
    receivedAt: AT,
  };
  const signal = { context, idempotencyKey: 'k', moodReported: { valence: 1 } };

  it('with a oneof becomes the generated message, and the same JSON again', () => {
    const parsed = edge.commands.RecordSignal.parse(signal);
    expect(parsed.signal).toEqual({ $case: 'moodReported', moodReported: { valence: 1, energy: 0 } });
    expect(RecordSignal.toJSON(parsed)).toEqual(signal);
  });
  it.each([
    ['no signal', { moodReported: undefined }, 'signal'],
    ['two signals', { taskCompleted: { ref: 'demo:task:1' } }, 'moodReported'],
    ['a field too much', { surprise: 1 }, ''],
    ['a key with a space', { idempotencyKey: 'a b' }, 'idempotencyKey'],
    ['the tenant of others', { context: { ...context, tenantId: 'work' } }, 'context.tenantId'],
    ['an id that is none', { context: { ...context, commandId: 'x' } }, 'context.commandId'],
  ])('with %s is refused', (_, change, path) => {
    const { error } = edge.commands.RecordSignal.safeParse({ ...signal, ...change });
    expect(error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });
  it('has an answer', () => {
    expect(edge.commands.AnswerTip.safeParse({ context, tipId: UUID }).success).toBe(false);
    expect(
      edge.commands.AnswerTip.safeParse({ context, tipId: UUID, answer: 'ANSWER_UNSPECIFIED' }).success,
    ).toBe(false);
    expect(edge.commands.AnswerTip.parse({ context, tipId: UUID, answer: 'ANSWER_NO' }).answer).toBe(
      'ANSWER_NO',
    );
  });
});
