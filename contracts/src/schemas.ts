import { z } from 'zod';
import './words.js';
import { CONTENT_REF, isTenantId, isUserId, UUID } from './ids.js';
import { parseInstant } from './instants.js';
import {
  Answer,
  type AnswerTip,
  type BusyTimeObserved,
  type Candidate,
  type CandidateItem,
  type CandidateList,
  type ChangePreferences,
  type CloseDecision,
  type CommandContext,
  type ConsentGranted,
  ConsentScope,
  type ConsentWithdrawn,
  ContextKind,
  type ContextObserved,
  type DecisionOutcomeClosed,
  type DecisionRecord,
  type DecisionVoided,
  Device,
  type EventMetadata,
  type FetchText,
  type FoldedStream,
  type GrantConsent,
  type HabitChecked,
  type JudgePolicy,
  type ListCandidates,
  type MoodReported,
  OutcomeKind,
  type ParkedEventSkipped,
  Place,
  type PolicyJudged,
  type PreferencesChanged,
  Priority,
  type PriorPublished,
  type Proposal,
  type PublishPrior,
  type Reason,
  type RecordSignal,
  type RegisterUser,
  type ShowTip,
  type SkipParkedEvent,
  type TaskCompleted,
  type TaskObserved,
  TaskState,
  type TipAccepted,
  type TipCompleted,
  type TipDismissed,
  type TipExpired,
  TipKind,
  type TipProposed,
  type TipShown,
  type TipSnoozed,
  type TipText,
  type TipWithheld,
  type Trigger,
  TriggerKind,
  Unavailability,
  type UserErased,
  type UserRegistered,
  VoidReason,
  type WithdrawConsent,
} from './messages.js';

/**
 * A schema for each field of the generated message `T`, no more and no fewer: a field added to the .proto and
 * forgotten here does not compile.
 */
type Shape<T> = { [Field in keyof T]-?: z.ZodType<T[Field]> };
const shape =
  <T>() =>
  <S extends Shape<T> & { [Extra in Exclude<keyof S, keyof T>]: never }>(fields: S): S =>
    fields;

type Signal = NonNullable<RecordSignal['signal']>;

/** A pseudonym says whose tenant it is of. */
const OF_TENANT = {
  path: ['tenantId'],
  message: 'must be the tenant that userId begins with',
};
const ofTenant = (who: { userId: string; tenantId: string }) => who.userId.startsWith(`${who.tenantId}_`);

const ref = z
  .string()
  .regex(CONTENT_REF, 'must be provider:kind:id (a-z, 0-9; the id also A-Z, _ and -, at most 64)');
const uuid = z.string().regex(UUID, 'must be a UUID in lower case');
const name = z
  .string()
  .regex(/^[a-zA-Z][a-zA-Z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, ".", "_" or "-"');
const timestamp = z
  .string()
  .max(40)
  .meta({ format: 'date-time', description: 'RFC 3339, with an offset', examples: ['2026-01-31T08:00:00Z'] })
  .transform((text, context): string => {
    const at = parseInstant(text);
    if (at !== undefined) return at;
    context.addIssue({
      code: 'custom',
      message: 'must be an RFC 3339 time with an offset: 2026-01-31T08:00:00Z',
    });
    return z.NEVER;
  });
const user = z
  .string()
  .refine(isUserId, 'must be a pseudonym: TENANT_RANDOM')
  .meta({ description: 'The pseudonym of a person: TENANT_RANDOM' });
const tenant = z.string().refine(isTenantId, 'must be a tenant id: a letter, then up to 19 a-z and 0-9');
// Canonical proto3 JSON leaves out what has its default value, so absence means that value.
const finite = z.number().default(0);
const count = (max: number) => z.int().min(0).max(max).default(0);
const flag = z.boolean().default(false);
const utcOffset = z
  .int()
  .min(-14 * 60)
  .max(14 * 60)
  .default(0);
const u64 = z
  .union([z.string().regex(/^\d{1,20}$/), z.int().min(0)])
  .default('0')
  .transform((value) => BigInt(value));

/** The values of an enum but the unspecified one. */
function oneOf<Values extends Record<string, string>>(
  values: Values,
): z.ZodType<Values[keyof Values], string> {
  const allowed = Object.values(values).filter((value) => !value.endsWith('_UNSPECIFIED'));
  return z.enum(allowed) as unknown as z.ZodType<Values[keyof Values], string>;
}
const optionalOneOf = <V extends Record<string, string>>(values: V, unspecified: V[keyof V]) =>
  oneOf(values).default(unspecified);

function build(object: typeof z.object) {
  const taskObserved = object(
    shape<TaskObserved>()({
      ref,
      state: optionalOneOf(TaskState, TaskState.TASK_STATE_OPEN),
      priority: optionalOneOf(Priority, Priority.PRIORITY_NORMAL),
      dueAt: timestamp.optional(),
      estimatedMinutes: z.int().min(1).max(10_080).optional(),
    }),
  );
  const taskCompleted = object(shape<TaskCompleted>()({ ref }));
  const habitChecked = object(shape<HabitChecked>()({ ref, done: flag, streak: count(100_000) }));
  const busyTimeObserved = object(
    shape<BusyTimeObserved>()({ ref, startsAt: timestamp, endsAt: timestamp, cancelled: flag }),
  ).refine((busy) => Date.parse(busy.endsAt) > Date.parse(busy.startsAt), {
    path: ['endsAt'],
    message: 'must be later than startsAt',
  });
  const grade = z.int().min(-2).max(2).default(0);
  const moodReported = object(shape<MoodReported>()({ valence: grade, energy: grade }));
  const contextObserved = object(
    shape<ContextObserved>()({
      kind: oneOf(ContextKind),
      device: optionalOneOf(Device, Device.DEVICE_UNSPECIFIED),
      place: optionalOneOf(Place, Place.PLACE_UNSPECIFIED),
      utcOffsetMinutes: utcOffset,
    }),
  );

  const userRegistered = object(shape<UserRegistered>()({ utcOffsetMinutes: utcOffset }));
  const preferencesChanged = object(
    shape<PreferencesChanged>()({
      quietFromMinute: count(1439),
      quietUntilMinute: count(1439),
      dailyBudget: count(100),
    }),
  );
  const consentGranted = object(shape<ConsentGranted>()({ scope: oneOf(ConsentScope), termsVersion: name }));
  const consentWithdrawn = object(shape<ConsentWithdrawn>()({ scope: oneOf(ConsentScope) }));
  const userErased = object(shape<UserErased>()({ requestedAt: timestamp }));

  const trigger = object(shape<Trigger>()({ kind: oneOf(TriggerKind), id: uuid, at: timestamp }));
  const candidate = object(
    shape<Candidate>()({
      ref,
      kind: oneOf(TipKind),
      features: z.array(z.number()).max(64).default([]),
      probability: finite,
    }),
  );
  const foldedStream = object(shape<FoldedStream>()({ stream: z.string().min(1).max(120), revision: u64 }));
  const reason = object(shape<Reason>()({ code: name, contribution: finite }));
  const reasons = z.array(reason).max(16).default([]);
  const decisionRecord = object(
    shape<DecisionRecord>()({
      decisionId: uuid,
      decidedAt: timestamp,
      trigger,
      policy: name,
      policyVersion: name,
      priorVersion: name,
      stateDigest: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex'),
      foldedTo: z.array(foldedStream).max(8).default([]),
      context: z.array(z.number()).max(64).default([]),
      candidates: z.array(candidate).max(16).default([]),
      unavailable: z.array(oneOf(Unavailability)).max(8).default([]),
      actProbability: z.number().min(0).max(1).default(0),
      seed: z.string().regex(/^[0-9a-f]{16,64}$/, 'must be hex, 16 to 64 characters'),
      choice: z.union([z.literal(''), ref]).default(''),
      momentReasons: reasons,
      tipReasons: reasons,
      holdsUntil: timestamp,
      reconsiderAt: timestamp.optional(),
      utcOffsetMinutes: utcOffset,
    }),
  );
  const proposal = object(
    shape<Proposal>()({
      userId: user,
      tenantId: tenant,
      correlationId: uuid,
      causationId: uuid,
      decision: decisionRecord,
    }),
  ).refine(ofTenant, OF_TENANT);

  const tip = { tipId: uuid };
  const tipProposed = object(shape<TipProposed>()({ decision: decisionRecord }));
  const tipWithheld = object(shape<TipWithheld>()({ decision: decisionRecord }));
  const decisionVoided = object(
    shape<DecisionVoided>()({ decisionId: uuid, reason: oneOf(VoidReason), trigger }),
  );
  const deviceId = z
    .string()
    .regex(/^[A-Za-z0-9_-]{0,64}$/, 'must be at most 64 letters, digits, "_" or "-"')
    .default('');
  const tipShown = object(shape<TipShown>()({ ...tip, deviceId }));
  const tipAccepted = object(shape<TipAccepted>()(tip));
  const tipCompleted = object(shape<TipCompleted>()(tip));
  const tipSnoozed = object(shape<TipSnoozed>()({ ...tip, until: timestamp }));
  const tipDismissed = object(shape<TipDismissed>()(tip));
  const tipExpired = object(shape<TipExpired>()({ ...tip, shown: flag }));
  const decisionOutcomeClosed = object(
    shape<DecisionOutcomeClosed>()({
      decisionId: uuid,
      outcome: oneOf(OutcomeKind),
      horizonStartedAt: timestamp,
      horizonEndedAt: timestamp,
    }),
  );

  const parkedEventSkipped = object(
    shape<ParkedEventSkipped>()({
      projection: z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,49}$/, 'must be the name of a read model, or recommender'),
      stream: z.string().min(1).max(120),
      revision: u64,
      eventType: name,
      reason: z.string().regex(/^[\x20-\x7e]{3,200}$/, 'must be 3 to 200 printable ASCII characters'),
    }),
  );

  const context = object(
    shape<CommandContext>()({
      commandId: uuid,
      userId: user,
      tenantId: tenant,
      correlationId: uuid,
      causationId: uuid,
      producer: name,
      occurredAt: timestamp,
      receivedAt: timestamp,
    }),
  ).refine(ofTenant, OF_TENANT);
  const sharedContext = object(
    shape<CommandContext>()({
      commandId: uuid,
      userId: z.literal('').default(''),
      tenantId: z.literal('').default(''),
      correlationId: uuid,
      causationId: uuid,
      producer: name,
      occurredAt: timestamp,
      receivedAt: timestamp,
    }),
  );
  const priorPublished = object(
    shape<PriorPublished>()({
      version: name,
      features: name,
      digest: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex'),
      parameters: z.string().min(2).max(400_000),
      people: count(100_000_000),
      outcomes: count(2_000_000_000),
    }),
  );
  const policyJudged = object(
    shape<PolicyJudged>()({
      policy: name,
      policyVersion: name,
      priorVersion: name,
      passed: flag,
      reason: z.union([z.literal(''), name]).default(''),
      refused: z.string().max(1000).default(''),
      estimate: finite,
      low: finite,
      high: finite,
      logged: finite,
      decisions: count(2_000_000_000),
      people: count(100_000_000),
      effective: finite,
      margin: finite,
    }),
  );
  const idempotencyKey = z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 printable ASCII characters without spaces');
  // A oneof stands in JSON as one of several fields; it becomes the generated union here.
  const signals = {
    taskObserved: taskObserved.optional(),
    taskCompleted: taskCompleted.optional(),
    habitChecked: habitChecked.optional(),
    busyTimeObserved: busyTimeObserved.optional(),
    moodReported: moodReported.optional(),
    contextObserved: contextObserved.optional(),
  } satisfies Record<Signal['$case'], z.ZodType>;
  const recordSignal = object({ context, idempotencyKey, ...signals }).transform(
    ({ context, idempotencyKey, ...fields }, issues) => {
      const given = Object.entries(fields).filter(([, value]) => value !== undefined);
      const [only, second] = given;
      if (only === undefined || second !== undefined) {
        issues.addIssue({
          code: 'custom',
          path: [second?.[0] ?? 'signal'],
          message: `must be exactly one of ${Object.keys(signals).join(', ')}`,
        });
        return z.NEVER;
      }
      const signal = { $case: only[0], [only[0]]: only[1] } as Signal;
      return { context, idempotencyKey, signal };
    },
  );
  const metadata = object({
    ...shape<Omit<EventMetadata, 'correlationId' | 'causationId'>>()({
      userId: z.union([z.literal(''), user]).default(''),
      tenantId: z.union([z.literal(''), tenant]).default(''),
      schemaVersion: count(1000),
      producer: name,
      occurredAt: timestamp,
      recordedAt: timestamp,
      commandId: uuid,
      // Of use to who follows a trace and to nobody else: one that is malformed is no reason to refuse an event.
      traceparent: z.string().optional(),
    }),
    $correlationId: uuid,
    $causationId: uuid,
  });

  const candidateItem = object(
    shape<CandidateItem>()({
      ref,
      kind: oneOf(TipKind),
      priority: optionalOneOf(Priority, Priority.PRIORITY_UNSPECIFIED),
      dueAt: timestamp.optional(),
      estimatedMinutes: z.int().min(1).max(10_080).optional(),
    }),
  );
  const text = (max: number) => z.string().max(max).default('');

  return {
    events: {
      TaskObserved: taskObserved,
      TaskCompleted: taskCompleted,
      HabitChecked: habitChecked,
      BusyTimeObserved: busyTimeObserved,
      MoodReported: moodReported,
      ContextObserved: contextObserved,
      UserRegistered: userRegistered,
      PreferencesChanged: preferencesChanged,
      ConsentGranted: consentGranted,
      ConsentWithdrawn: consentWithdrawn,
      UserErased: userErased,
      TipProposed: tipProposed,
      TipWithheld: tipWithheld,
      DecisionVoided: decisionVoided,
      TipShown: tipShown,
      TipAccepted: tipAccepted,
      TipCompleted: tipCompleted,
      TipSnoozed: tipSnoozed,
      TipDismissed: tipDismissed,
      TipExpired: tipExpired,
      DecisionOutcomeClosed: decisionOutcomeClosed,
      ParkedEventSkipped: parkedEventSkipped,
      PriorPublished: priorPublished,
      PolicyJudged: policyJudged,
    },
    sharedCommands: {
      PublishPrior: object(shape<PublishPrior>()({ context: sharedContext, prior: priorPublished })),
      JudgePolicy: object(shape<JudgePolicy>()({ context: sharedContext, judgement: policyJudged })),
    },
    commands: {
      RecordSignal: recordSignal,
      RegisterUser: object(shape<RegisterUser>()({ context, utcOffsetMinutes: utcOffset })),
      ChangePreferences: object(shape<ChangePreferences>()({ context, preferences: preferencesChanged })),
      GrantConsent: object(
        shape<GrantConsent>()({ context, scope: oneOf(ConsentScope), termsVersion: name }),
      ),
      WithdrawConsent: object(shape<WithdrawConsent>()({ context, scope: oneOf(ConsentScope) })),
      ShowTip: object(shape<ShowTip>()({ context, tipId: uuid, deviceId })),
      AnswerTip: object(shape<AnswerTip>()({ context, tipId: uuid, answer: oneOf(Answer) })),
      CloseDecision: object(shape<CloseDecision>()({ context, decisionId: uuid })),
      SkipParkedEvent: object(shape<SkipParkedEvent>()({ context, skipped: parkedEventSkipped })),
    },
    queries: {
      ListCandidates: object(shape<ListCandidates>()({ userId: user, at: timestamp })),
      CandidateList: object(
        shape<CandidateList>()({
          items: z.array(candidateItem).max(1000).default([]),
          unreachable: z.array(name).max(64).default([]),
        }),
      ),
      FetchText: object(shape<FetchText>()({ userId: user, ref })),
      TipText: object(shape<TipText>()({ ref, title: text(500), body: text(4000), url: text(2000) })),
    },
    context,
    sharedContext,
    idempotencyKey,
    metadata,
    proposal,
    trigger,
    timestamp,
    deviceId,
  };
}

/** Parses input at an edge: a field that is not known is refused. */
export const edge = build(z.strictObject as unknown as typeof z.object);
/** Parses what was recorded: a field that is not known is ignored. */
export const recorded = build(z.object);

/** A command of a stream that is nobody's, as an edge has parsed it. */
export type SharedCommandOf<Name extends keyof typeof edge.sharedCommands> = z.output<
  (typeof edge.sharedCommands)[Name]
>;
/** A command as an edge has parsed it. */
export type CommandOf<Name extends keyof typeof edge.commands> = z.output<(typeof edge.commands)[Name]>;
