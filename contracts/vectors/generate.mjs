// Writes the vectors that TypeScript and Python are held to: the cases stand here, what they give comes from the
// TypeScript side. Run after `npx tsc -b contracts`, by hand, when a case is added: a changed line of an existing
// vector means that recorded events would be read or named differently.
import { writeFileSync } from 'node:fs';
import * as contracts from '../dist/src/index.js';

const write = (name, cases) =>
  writeFileSync(new URL(`${name}.json`, import.meta.url), `${JSON.stringify(cases, null, 2)}\n`);

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));
const users = ['home', 'a', 'tenant0123456789abcd'].flatMap((tenant) =>
  ['00000000000000000000000000000000', 'ffffffffffffffffffffffffffffffff', '0123456789abcdeffedcba9876543210'].map(
    (random) => ({ tenant, random, user: contracts.newUserId(tenant, bytes(random)) }),
  ),
);
const [{ user: first }, { user: second }, { user: third }] = users;
const uuid = (digit) => `${digit.repeat(8)}-0000-4000-8000-000000000000`;

write('ids', {
  users,
  notUsers: ['home', 'home_', 'Home_00000000000000000000000000', 'home_0000000000000000000000000', 'home_0000000000000000000000000u', `${first}0`, `${first}\n`],
  signalCommandIds: [
    { user: first, producer: 'demo', key: 'a' },
    { user: first, producer: 'demo', key: 'b' },
    { user: second, producer: 'demo', key: '~!#$%' },
  ].map((one) => ({ ...one, id: contracts.signalCommandId(one.user, one.producer, one.key) })),
  eventIds: [
    { command: uuid('1'), index: 0, decided: '["TipShown",{}]' },
    { command: uuid('1'), index: 0, decided: '["TipShown",{"deviceId":"ä"}]' },
    { command: uuid('1'), index: 1, decided: '["TipShown",{}]' },
  ].map((one) => ({ ...one, id: contracts.eventIdOf(one.command, one.index, one.decided) })),
  decisionIds: Object.values(contracts.TriggerKind)
    .slice(1)
    .map((kind) => ({ user: third, kind, trigger: uuid('2'), id: contracts.decisionIdOf(third, kind, uuid('2')) })),
  derivedCommandIds: [{ name: 'close', subject: uuid('3') }].map((one) => ({
    ...one,
    id: contracts.derivedCommandId(one.name, one.subject),
  })),
  recordCommandIds: [{ decision: uuid('3'), id: contracts.recordCommandIdOf(uuid('3')) }],
});

write(
  'partitions',
  users.map(({ user }) => ({ user, partition: contracts.partitionOf(user) })),
);

write(
  'streams',
  [`tips-${first}`, `signals-${second}`, `user-${third}`, `skips-${first}`, 'priors', 'policies', 'erasures', 'tips', 'tips-', `other-${first}`, `tips-${first}x`, `-${first}`, '$all', ''].map(
    (stream) => ({ stream, owner: contracts.ownerOf(stream) ?? null }),
  ),
);

write('subjects', {
  events: [
    [`tips-${first}`, 'TipShown'],
    [`signals-${second}`, 'TaskObserved'],
    [`user-${third}`, 'UserRegistered'],
    ['priors', 'PriorPublished'],
    ['other', 'TipShown'],
  ].map(([stream, type]) => ({ stream, type, subject: contracts.eventSubject(stream, type) ?? null })),
  people: users.map(({ user }) => ({
    user,
    proposal: contracts.proposalSubject(user),
    changed: contracts.changedSubject('current-tip', user),
    recommend: contracts.QUERIES.recommend(user),
    parked: contracts.QUERIES.parked(contracts.partitionOf(user)),
    retryParked: contracts.QUERIES.retryParked(user),
  })),
  fixed: {
    eventsStream: contracts.EVENTS_STREAM,
    proposalsStream: contracts.PROPOSALS_STREAM,
    eventsSubjects: contracts.EVENTS_SUBJECTS,
    proposalsSubjects: contracts.PROPOSALS_SUBJECTS,
    headerPosition: contracts.HEADER_POSITION,
    headerRevision: contracts.HEADER_REVISION,
    historyRead: contracts.QUERIES.historyRead,
    historyHead: contracts.QUERIES.historyHead,
    candidates: contracts.QUERIES.candidates,
    progress: contracts.QUERIES.progress('recommender'),
    clock: contracts.CLOCK_SUBJECT,
    clockQuery: contracts.CLOCK_QUERY,
  },
});

write(
  'instants',
  [
    '1970-01-01T00:00:00Z',
    '2026-01-31T08:00:00Z',
    '2026-01-31T08:00:00.5Z',
    '2026-01-31T08:00:00.120Z',
    '2026-01-31T08:00:00.000Z',
    '2026-01-31T08:00:00.1239Z',
    '2026-01-31T08:00:00.999999999Z',
    '2026-01-31T08:00:00+02:00',
    '2026-01-31T08:00:00-11:30',
    '1969-12-31T23:59:59.999Z',
    '2024-02-29T23:59:59Z',
    '2026-02-29T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T24:00:01Z',
    '2026-01-31T08:60:00Z',
    '2026-01-31T08:00:60Z',
    '2026-01-31T08:00:00',
    '2026-01-31',
    '2026-01-31 08:00:00Z',
    '2026-01-31t08:00:00z',
    '9999-12-31T23:59:59.999Z',
    'tomorrow',
    '',
  ].map((text) => {
    const instant = contracts.parseInstant(text) ?? null;
    return { text, instant, epochMs: instant === null ? null : contracts.epochMs(instant) };
  }),
);

write(
  'digests',
  [
    {},
    [],
    { b: 1, a: [true, false, null], 'é': 'ü', '\u20ac': '\u0000\u001f"\\' },
    [0, 1, -1, 0.1, 0.30000000000000004, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 9007199254740991, 123456.789],
    '\ud83d\ude00',
  ].map((value) => ({ value, canonical: contracts.canonicalJson(value), digest: contracts.digestOf(value) })),
);

const at = '2026-01-31T08:00:00Z';
const later = '2026-01-31T08:00:00.120Z';
const ref = 'demo:task:Ab_-9';
const record = {
  decisionId: uuid('a'),
  decidedAt: at,
  trigger: { kind: 'TRIGGER_KIND_MOMENT', id: uuid('b'), at },
  policy: 'heuristic',
  policyVersion: 'v1',
  priorVersion: 'common.v1',
  stateDigest: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  foldedTo: [
    { stream: `signals-${first}`, revision: '18446744073709551615' },
    { stream: `tips-${first}`, revision: '9007199254740993' },
    { stream: `user-${first}` },
  ],
  context: [0, 1, -1, 0.1, 0.30000000000000004, 1e-7, 1e21, 5e-324, 1.7976931348623157e308, -0.25, 123456789.125],
  candidates: [
    { ref, kind: 'TIP_KIND_TODO', features: [0.07, 0, 1], probability: 0.3333333333333333 },
    { ref: 'oo:advice:stretch', kind: 'TIP_KIND_ADVICE', probability: 0.6666666666666667 },
    { ref: 'oo:advice:walk', kind: 'TIP_KIND_ADVICE', features: [0] },
  ],
  unavailable: ['UNAVAILABILITY_QUIET_HOURS', 'UNAVAILABILITY_TIP_ACTIVE'],
  actProbability: 0.1 + 0.2,
  seed: '0123456789abcdef0123456789abcdef',
  choice: ref,
  momentReasons: [{ code: 'moment.busy', contribution: -1.5e-9 }, { code: 'moment.free' }],
  tipReasons: [{ code: 'tip.due_soon', contribution: 2 }],
  utcOffsetMinutes: -570, holdsUntil: later,
  reconsiderAt: later,
};
const waiting = {
  decisionId: uuid('c'),
  decidedAt: at,
  trigger: { kind: 'TRIGGER_KIND_SIGNAL', id: uuid('d'), at },
  policy: 'random',
  policyVersion: 'v1',
  priorVersion: 'common.v1',
  stateDigest: record.stateDigest,
  actProbability: 1,
  seed: '0123456789abcdef',
  holdsUntil: at,
};
const payloads = [
  ['TaskObserved', 2, { ref, state: 'TASK_STATE_GONE', priority: 'PRIORITY_HIGH', dueAt: later, estimatedMinutes: 25 }],
  ['TaskObserved', 2, { ref }],
  ['TaskObserved', 2, { ref, state: 'TASK_STATE_OPEN', aFieldOfTomorrow: { deep: [1] } }],
  ['TaskObserved', 1, { ref, dueDate: '2026-02-01', urgency: 4 }],
  ['TaskCompleted', 1, { ref }],
  ['HabitChecked', 1, { ref, done: true, streak: 100000 }],
  ['HabitChecked', 1, { ref, done: false }],
  ['BusyTimeObserved', 1, { ref, startsAt: at, endsAt: later, cancelled: true }],
  ['MoodReported', 1, { valence: -2, energy: 2 }],
  ['MoodReported', 1, {}],
  ['ContextObserved', 1, { kind: 'CONTEXT_KIND_PAGE_OPENED', device: 'DEVICE_PHONE', place: 'PLACE_HOME', utcOffsetMinutes: -720 }],
  ['ContextObserved', 1, { kind: 'CONTEXT_KIND_DEVICE_IDLE' }],
  ['UserRegistered', 1, { utcOffsetMinutes: 345 }],
  ['UserRegistered', 1, {}],
  ['PreferencesChanged', 1, { quietFromMinute: 1320, quietUntilMinute: 420, dailyBudget: 3 }],
  ['PreferencesChanged', 1, {}],
  ['ConsentGranted', 1, { scope: 'CONSENT_SCOPE_TIPS', termsVersion: 'v1' }],
  ['ConsentWithdrawn', 1, { scope: 'CONSENT_SCOPE_SHARED_PRIOR' }],
  ['UserErased', 1, { requestedAt: at }],
  ['TipProposed', 1, { decision: record }],
  ['TipWithheld', 1, { decision: waiting }],
  ['DecisionVoided', 1, { decisionId: uuid('a'), reason: 'VOID_REASON_STALE', trigger: record.trigger }],
  ['TipShown', 1, { tipId: uuid('a'), deviceId: 'phone-1' }],
  ['TipAccepted', 1, { tipId: uuid('a') }],
  ['TipCompleted', 1, { tipId: uuid('a') }],
  ['TipSnoozed', 1, { tipId: uuid('a'), until: later }],
  ['TipDismissed', 1, { tipId: uuid('a') }],
  ['TipExpired', 1, { tipId: uuid('a'), shown: true }],
  ['TipExpired', 1, { tipId: uuid('a') }],
  ['DecisionOutcomeClosed', 1, { decisionId: uuid('a'), outcome: 'OUTCOME_KIND_SNOOZED', horizonStartedAt: at, horizonEndedAt: later }],
  ['ParkedEventSkipped', 1, { projection: 'timeline', stream: `tips-${first}`, revision: '7', eventType: 'TipShown', reason: 'a time before the epoch' }],
  ['PriorPublished', 1, { version: 'people.1', features: 'v2', digest: '0a'.repeat(32), parameters: '{"mean":[0.1]}', people: 12, outcomes: 340 }],
  ['PolicyJudged', 1, { policy: 'learned', policyVersion: 'v1', priorVersion: 'people.1', reason: 'worse', estimate: 0.125, low: -0.25, high: 0.5, logged: 0.1, decisions: 340, people: 12, effective: 99.5, margin: 0.05 }],
];
write(
  'payloads',
  payloads.map(([type, version, json]) => ({
    type,
    version,
    json,
    canonical: contracts.canonicalJson(contracts.payloadJson(contracts.readEvent(type, version, json))),
  })),
);
write(
  'upcasts',
  [
    ['TaskObserved', 1, { ref }],
    ['TaskObserved', 1, { ref, urgency: 1 }],
    ['TaskObserved', 1, { ref, urgency: 2, dueDate: '' }],
    ['TaskObserved', 1, { ref, urgency: 3, dueDate: '2026-12-31' }],
    ['TaskObserved', 2, { ref, priority: 'PRIORITY_LOW' }],
    ['TipShown', 1, { tipId: uuid('a') }],
  ].map(([type, version, json]) => ({ type, version, json, upcast: contracts.upcast(type, version, json) })),
);

const envelope = {
  id: uuid('e'),
  type: 'TaskObserved',
  stream: `signals-${first}`,
  revision: '9007199254740993',
  position: '18446744073709551615',
  data: { ref, dueDate: '2026-02-01', urgency: 1 },
  metadata: contracts.metadataJson({
    correlationId: uuid('1'),
    causationId: uuid('2'),
    userId: first,
    tenantId: 'home',
    schemaVersion: 1,
    producer: 'demo',
    occurredAt: at,
    recordedAt: later,
    commandId: uuid('3'),
  }),
};
const read = contracts.readEnvelope(envelope);
write('envelopes', [
  {
    json: envelope,
    read: {
      id: read.id,
      type: read.type,
      stream: read.stream,
      revision: String(read.revision),
      position: String(read.position),
      metadata: read.metadata,
      canonical: contracts.canonicalJson(contracts.payloadJson(read)),
    },
  },
]);
write('problems', {
  plain: Object.keys(contracts.PROBLEM_KINDS).map((kind) => contracts.problem(kind, 'Ask again.')),
  withField: contracts.problem('invalid-input', 'Mend it.', [{ field: 'data.dueAt', message: 'is no time' }]),
});
