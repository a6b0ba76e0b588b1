import { randomUUID } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  type CommandId,
  type DecisionRecord,
  type DomainEvent,
  EVENTS,
  type Instant,
  isCommandId,
  PERSON_CATEGORIES,
  type PersonCategory,
  type Problem,
  QUERIES,
  streamOf,
  TipKind,
  TriggerKind,
  tenantOf,
  type UserId,
  userId,
} from '@oo/contracts';
import { type Appended, EMPTY, type EventStore, WrongRevision } from '@oo/event-sourcing';
import {
  PROJECTION_NAMES,
  type ProjectionName,
  ProjectionsModule,
  projectionsConfig,
  type ReadModels,
  waitFor,
} from '@oo/projections';
import { RelayModule } from '@oo/relay';
import { type RunningService, startService } from '@oo/service-host';
import { z } from 'zod';

const SETTLED_WITHIN_MS = 10_000;

/** A request as it came over the broker. */
export interface Sent {
  readonly subject: string;
  readonly body: Readonly<Record<string, unknown>>;
}

const commandBody = z.looseObject({
  context: z.object({
    commandId: z.string(),
    userId: z.string(),
    occurredAt: z.string(),
    receivedAt: z.string(),
  }),
  tipId: z.string().default(''),
  answer: z.string().default(''),
});
type CommandBody = z.infer<typeof commandBody>;

/**
 * What stands behind the gateway: the real relay and read models, and in place of the services something small that
 * answers commands and records events. What it is sent, it keeps.
 */
export class TestWorld {
  readonly sent: Sent[] = [];
  /** Texts of todos by reference; what is not here is gone. Undefined: the provider does not answer. */
  texts: Map<string, { title: string; body?: string; url?: string }> | undefined = new Map();
  /** What the next commands are answered with, in place of being recorded. */
  refusal: Problem | undefined;
  readonly #replies = new Map<string, unknown>();
  #last: Promise<unknown> = Promise.resolve();
  #running: RunningService | undefined;

  constructor(
    private readonly nats: NatsConnection,
    private readonly store: EventStore,
    private readonly sql: ReadModels,
  ) {}

  async start(environment: Readonly<Record<string, string>>): Promise<void> {
    this.#running = await startService(
      { name: 'world', config: projectionsConfig, modules: [RelayModule, ProjectionsModule] },
      environment,
    );
    this.nats.subscribe('oo.cmd.>', {
      callback: (error, message) => {
        if (error !== null) throw error;
        const body: Record<string, unknown> = message.json();
        this.sent.push({ subject: message.subject, body });
        this.#answer(message.subject, body).then((reply) => message.respond(JSON.stringify(reply)));
      },
    });
    this.nats.subscribe(QUERIES.text, {
      callback: (error, message) => {
        if (error !== null) throw error;
        const { ref }: { ref: string } = message.json();
        if (this.texts !== undefined) message.respond(JSON.stringify({ ref, ...this.texts.get(ref) }));
      },
    });
    await this.nats.flush();
  }

  async close(): Promise<void> {
    await this.#running?.close();
  }

  /**
   * Events of a person, as if they had been decided and relayed.
   * @param until which read models have them when the promise is fulfilled
   */
  async record(
    user: UserId,
    events: readonly DomainEvent[],
    context: Partial<RecordContext> = {},
    until: readonly ProjectionName[] = PROJECTION_NAMES,
  ): Promise<Appended> {
    const [first] = events;
    const category = PERSON_CATEGORIES.find(
      (name) => first !== undefined && name === EVENTS[first.type].category,
    );
    if (category === undefined) throw new Error('nothing of a person to record');
    const stream = streamOf(category, user);
    const { commandId = randomUUID() as CommandId, at = new Date().toISOString() as Instant } = context;
    const recorded = events.map((event) => ({
      id: randomUUID(),
      event,
      metadata: {
        correlationId: commandId,
        causationId: commandId,
        userId: user,
        tenantId: tenantOf(user),
        producer: 'test',
        occurredAt: at,
        recordedAt: at,
        commandId,
      },
    }));
    const appended = await this.#append(stream, recorded);
    const target = { position: appended.position };
    for (const name of until) {
      const waited = await waitFor(this.sql, name, target, SETTLED_WITHIN_MS);
      if (waited !== 'reached') throw new Error(`${name} does not follow: ${waited}`);
    }
    return appended;
  }

  /** Behind whatever is there: a test and the page that it looks at may write at the same time. */
  async #append(stream: string, events: Parameters<EventStore['append']>[2]): Promise<Appended> {
    for (;;) {
      const [newest] = await this.store.readLast(stream, 1);
      try {
        return await this.store.append(stream, newest?.revision ?? EMPTY, events);
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error;
      }
    }
  }

  /** Makes a tip active. */
  async propose(user: UserId, ref: string, more: Partial<DecisionRecord> = {}): Promise<string> {
    const decisionId = randomUUID();
    await this.record(user, [
      { type: 'TipProposed', data: { decision: decisionRecord({ decisionId, choice: ref, ...more }) } },
    ]);
    return decisionId;
  }

  /** The types of what is recorded of a person. */
  async types(user: UserId, category: PersonCategory): Promise<string[]> {
    return (await this.store.readForward(streamOf(category, user), 0n, 1000)).map(({ type }) => type);
  }

  /** What was sent to a command's handler. */
  commands(name: string): Sent[] {
    return this.sent.filter(({ subject }) => subject.split('.')[3] === name);
  }

  #answer(subject: string, json: unknown): Promise<unknown> {
    // One after the other, as a handler does for one person.
    const answer = this.#last.then(async () => {
      if (this.refusal !== undefined) return { problem: this.refusal };
      const body = commandBody.parse(json);
      const { commandId, userId: user } = body.context;
      const before = this.#replies.get(commandId);
      if (before !== undefined) return before;
      const events = eventsOf(subject.split('.')[3] ?? '', body);
      if (!isCommandId(commandId)) throw new Error(`${commandId} is no id of a command`);
      const at = body.context.occurredAt as Instant;
      const { revision, position } = await this.record(userId(user), events, { commandId, at });
      const stream = streamOf(categoryOf(events), userId(user));
      const recorded = {
        stream,
        revision: String(revision),
        position: String(position),
        eventIds: [randomUUID()],
      };
      this.#replies.set(commandId, { recorded: { ...recorded, duplicate: true } });
      return { recorded };
    });
    this.#last = answer.catch(() => undefined);
    return answer;
  }
}

interface RecordContext {
  readonly commandId: CommandId;
  readonly at: Instant;
}

function categoryOf(events: readonly DomainEvent[]) {
  const [first] = events;
  const category = PERSON_CATEGORIES.find(
    (name) => first !== undefined && name === EVENTS[first.type].category,
  );
  if (category === undefined) throw new Error('not a stream of a person');
  return category;
}

/** The events that a handler would decide on; signals stand for all signals. */
function eventsOf(name: string, { tipId, answer, context }: CommandBody): DomainEvent[] {
  switch (name) {
    case 'RecordSignal':
      return [{ type: 'MoodReported', data: { valence: 1, energy: 1 } }];
    case 'RegisterUser':
      return [{ type: 'UserRegistered', data: { utcOffsetMinutes: 0 } }];
    case 'GrantConsent':
      return [
        {
          type: 'ConsentGranted',
          data: { scope: 'CONSENT_SCOPE_TIPS', termsVersion: 'tips-1' },
        } as DomainEvent,
      ];
    case 'ShowTip':
      return [{ type: 'TipShown', data: { tipId, deviceId: '' } }];
    case 'AnswerTip':
      if (answer === 'ANSWER_DONE') return [{ type: 'TipCompleted', data: { tipId } }];
      if (answer === 'ANSWER_LATER')
        return [{ type: 'TipSnoozed', data: { tipId, until: context.receivedAt } }];
      return [{ type: 'TipDismissed', data: { tipId } }];
    default:
      throw new Error(`nobody takes ${name}`);
  }
}

/** A decision with everything that it has to have. */
export function decisionRecord(given: Partial<DecisionRecord>): DecisionRecord {
  const now = Date.now();
  const choice = given.choice ?? '';
  const kind = choice.startsWith('oo:advice:') ? TipKind.TIP_KIND_ADVICE : TipKind.TIP_KIND_TODO;
  const at = new Date(now).toISOString();
  return {
    decisionId: randomUUID(),
    decidedAt: at,
    trigger: { kind: TriggerKind.TRIGGER_KIND_PAGE_OPENED, id: randomUUID(), at },
    policy: 'heuristic',
    policyVersion: 'v1',
    priorVersion: 'none',
    stateDigest: 'a'.repeat(64),
    foldedTo: [],
    context: [],
    candidates: choice === '' ? [] : [{ ref: choice, kind, features: [], probability: 1 }],
    unavailable: [],
    actProbability: 0.95,
    utcOffsetMinutes: 0,
    seed: '0123456789abcdef',
    momentReasons: [],
    tipReasons: [],
    holdsUntil: new Date(now + 3_600_000).toISOString(),
    reconsiderAt: undefined,
    ...given,
    choice,
  };
}
