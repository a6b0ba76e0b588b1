import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  type CandidateList,
  CLOCK_SUBJECT,
  ContextKind,
  type DecisionRecord,
  type DomainEvent,
  decisionIdOf,
  derivedCommandId,
  EVENTS,
  type EventEnvelope,
  edge,
  epochMs,
  eventIdOf,
  eventSubject,
  type Instant,
  instant,
  metadataJson,
  OutcomeKind,
  payloadJson,
  QUERIES,
  streamOf,
  TipKind,
  TriggerKind,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import { connectNats } from '@oo/event-sourcing';
import { z } from 'zod';
import { SIGNAL_TYPES } from '../../connectors/signal.js';

const MINUTE = 60_000;
const LATE_MS = 15 * MINUTE;
const TIP_HOLDS_MS = 120 * MINUTE;
const GRACE_MS = 10 * MINUTE;
const WAIT_HOLDS_MS = 60 * MINUTE;

const signalSchema = z.strictObject({
  type: z.enum(SIGNAL_TYPES),
  idempotencyKey: edge.idempotencyKey,
  occurredAt: edge.timestamp,
  data: z.unknown(),
});
const answerSchema = z.strictObject({
  answer: z.enum(['done', 'later', 'no', 'will-do']),
  answeredAt: edge.timestamp,
  idempotencyKey: edge.idempotencyKey,
});

/** A request that the ingress took. */
export interface Taken {
  readonly path: string;
  readonly body: string;
}

/** What the small platform lets a test see and do. */
export interface SmallPlatform {
  readonly url: string;
  readonly token: string;
  /** All events, in the order of the store. */
  readonly events: readonly EventEnvelope[];
  readonly taken: readonly Taken[];
  /** Where the clock stands; undefined while it runs by itself. */
  clock(): Instant | undefined;
  /** The next `requests` of the ingress are answered with 503. */
  fail(requests: number): void;
  /** Tips that are active now. */
  activeTip(): string | undefined;
  close(): Promise<void>;
}

/**
 * As much of oO as a demo life needs, in one process and in memory, over a real broker: the ingress, the history,
 * the clock, and a plain rule in the place of the recommender that proposes the first candidate at every third
 * decision.
 */
export async function startSmallPlatform(
  natsUrl: string,
  user: UserId,
  candidates: (at: Instant) => Promise<CandidateList>,
): Promise<SmallPlatform> {
  const nats = await connectNats(natsUrl, 'small-platform');
  const platform = new Platform(nats, user, candidates);
  platform.listen();
  const server = createServer((request, response) => {
    platform.take(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the ingress has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    token: platform.token,
    events: platform.events,
    taken: platform.taken,
    clock: () => platform.standsAt,
    fail: (requests) => {
      platform.failing = requests;
    },
    activeTip: () => platform.active?.record.decisionId,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await nats.close();
    },
  };
}

interface Horizon {
  readonly record: DecisionRecord;
  readonly dueAt: number;
  shown: boolean;
}

class Platform {
  readonly token = 'oo_small';
  readonly events: EventEnvelope[] = [];
  readonly taken: Taken[] = [];
  failing = 0;
  standsAt: Instant | undefined;
  active: Horizon | undefined;
  readonly #keys = new Map<string, string>();
  readonly #revisions = new Map<string, number>();
  #horizon: Horizon | undefined;
  #moment: { id: string; at: number } | undefined;
  #snoozes: { id: string; at: number }[] = [];
  // One thing after the other, as one person's commands are.
  #work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly nats: NatsConnection,
    private readonly user: UserId,
    private readonly candidates: (at: Instant) => Promise<CandidateList>,
  ) {}

  listen(): void {
    const answer = (subject: string, reply: (body: unknown) => unknown) =>
      this.nats.subscribe(subject, {
        callback: (_, message) => {
          Promise.resolve(reply(message.json())).then((json) => message.respond(JSON.stringify(json)));
        },
      });
    this.nats.subscribe(CLOCK_SUBJECT, {
      callback: (_, message) => {
        this.standsAt = message.json<{ now: Instant | null }>().now ?? undefined;
      },
    });
    const head = () => ({ position: String(this.events.length) });
    answer(QUERIES.historyHead, head);
    answer(QUERIES.historyRead, (body) => {
      const { streams, after = '0' } = z
        .object({ streams: z.array(z.string()), after: z.string().optional() })
        .parse(body);
      const events = this.events.filter(
        ({ stream, position }) => streams.includes(stream) && BigInt(position) > BigInt(after),
      );
      const page = events.slice(0, 100);
      return { events: page, next: page.length < events.length ? page.at(-1)?.position : null, ...head() };
    });
    const workers = [
      'relay',
      'deadlines',
      'proposals',
      'recommender',
      'current-tip',
      'timeline',
      'decisions',
    ];
    for (const worker of workers) {
      answer(QUERIES.progress(worker), async () => {
        await this.#inTurn(() => this.#whatIsDue());
        return { ...head(), settled: true };
      });
    }
    answer('oo.cmd.profile.*.*', () => ({
      recorded: { stream: streamOf('user', this.user), revision: '0' },
    }));
  }

  async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    if (this.failing > 0) {
      this.failing--;
      response.writeHead(503).end('{}');
      return;
    }
    this.taken.push({ path: request.url ?? '', body });
    // As long as the gateway takes to look a token up: what the broker had before the request, has arrived then.
    await this.nats.flush();
    const [status, json] =
      request.headers.authorization === `Bearer ${this.token}`
        ? await this.#inTurn(() => this.#answerTo(request.url ?? '', JSON.parse(body)))
        : problem(401, 'not-signed-in');
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  }

  async #answerTo(path: string, json: unknown): Promise<[number, unknown]> {
    if (path === '/v1/signals') return this.#signal(signalSchema.parse(json));
    const [, tipId = '', what] = /^\/v1\/tips\/([^/]+)\/(shown|answers)$/.exec(path) ?? [];
    if (what === undefined || this.active?.record.decisionId !== tipId) return problem(404, 'unknown-tip');
    if (what === 'shown') {
      z.strictObject({}).parse(json);
      if (!this.active.shown) this.#append({ type: 'TipShown', data: { tipId, deviceId: '' } }, this.#now());
      this.active.shown = true;
    } else this.#answer(this.active, answerSchema.parse(json));
    return [200, { revision: String((this.#revisions.get(streamOf('tips', this.user)) ?? 0) - 1) }];
  }

  async #signal(signal: z.infer<typeof signalSchema>): Promise<[number, unknown]> {
    const now = epochMs(this.#now());
    if (epochMs(signal.occurredAt) > now + 5 * MINUTE) return problem(422, 'from-the-future');
    const before = this.#keys.get(signal.idempotencyKey);
    if (before !== undefined) return [200, { eventId: before, duplicate: true }];
    const data = edge.events[signal.type].parse(signal.data);
    const event = { type: signal.type, data } as DomainEvent;
    const id = this.#append(event, signal.occurredAt as Instant, signal.idempotencyKey);
    this.#keys.set(signal.idempotencyKey, id);
    const context = event.type === 'ContextObserved' ? event.data.kind : undefined;
    const still = [ContextKind.CONTEXT_KIND_PAGE_CLOSED, ContextKind.CONTEXT_KIND_DEVICE_IDLE];
    const silent = event.type === 'BusyTimeObserved' || (context !== undefined && still.includes(context));
    if (!silent && epochMs(signal.occurredAt) >= now - LATE_MS)
      await this.#decide(TriggerKind.TRIGGER_KIND_SIGNAL, id, now);
    return [201, { eventId: id, duplicate: false }];
  }

  #answer({ record }: Horizon, { answer, answeredAt }: z.infer<typeof answerSchema>): void {
    const tipId = record.decisionId;
    const at = answeredAt as Instant;
    this.active = undefined;
    if (answer === 'later') {
      const until = instant(epochMs(at) + 180 * MINUTE);
      this.#snoozes.push({
        id: this.#append({ type: 'TipSnoozed', data: { tipId, until } }, at),
        at: epochMs(until),
      });
    } else {
      const type = { done: 'TipCompleted', no: 'TipDismissed', 'will-do': 'TipAccepted' } as const;
      this.#append({ type: type[answer], data: { tipId } }, at);
    }
    this.#close(OutcomeKind.OUTCOME_KIND_ACCEPTED, epochMs(at));
  }

  /** Deadlines, then moments, that the clock has passed. */
  async #whatIsDue(): Promise<void> {
    const now = epochMs(this.#now());
    if (this.#horizon !== undefined && this.#horizon.dueAt <= now) {
      const { record, shown } = this.#horizon;
      const tip = this.active?.record.decisionId === record.decisionId;
      if (tip) {
        this.#append({ type: 'TipExpired', data: { tipId: record.decisionId, shown } }, this.#now());
        this.active = undefined;
      }
      this.#close(tip ? OutcomeKind.OUTCOME_KIND_IGNORED : OutcomeKind.OUTCOME_KIND_WAITED, now);
    }
    const moments = [...(this.#moment === undefined ? [] : [this.#moment]), ...this.#snoozes];
    for (const moment of moments.filter(({ at }) => at <= now)) {
      this.#snoozes = this.#snoozes.filter((each) => each !== moment);
      if (this.#moment === moment) this.#moment = undefined;
      await this.#decide(TriggerKind.TRIGGER_KIND_MOMENT, moment.id, moment.at);
    }
  }

  async #decide(kind: TriggerKind, trigger: string, at: number): Promise<void> {
    const decisionId = decisionIdOf(this.user, kind, trigger);
    const { items } = await this.candidates(instant(at));
    const number = Number.parseInt(decisionId.slice(0, 4), 16);
    const unavailable = this.active !== undefined;
    const item = !unavailable && number % 3 === 0 ? items[number % Math.max(1, items.length)] : undefined;
    if (!unavailable) this.#close(OutcomeKind.OUTCOME_KIND_WAITED, at);
    const holdsUntil = item === undefined ? at + (unavailable ? 0 : WAIT_HOLDS_MS) : at + TIP_HOLDS_MS;
    const reconsiderAt = Math.max(holdsUntil, at + WAIT_HOLDS_MS) + MINUTE;
    const seed = createHash('sha256').update(decisionId).digest('hex');
    const record = edge.events.TipWithheld.parse({
      decision: {
        decisionId,
        decidedAt: instant(at),
        trigger: { kind, id: trigger, at: instant(at) },
        policy: 'third',
        policyVersion: 'v1',
        priorVersion: 'none',
        stateDigest: seed,
        candidates: items
          .slice(0, 10)
          .map(({ ref }) => ({ ref, kind: TipKind.TIP_KIND_TODO, probability: 0.1 })),
        ...(unavailable ? { unavailable: ['UNAVAILABILITY_TIP_ACTIVE'] } : {}),
        seed,
        choice: item?.ref ?? '',
        holdsUntil: instant(holdsUntil),
        reconsiderAt: instant(reconsiderAt),
      },
    }).decision;
    if (record === undefined) throw new Error('a decision has a record');
    this.#moment = { id: decisionId, at: reconsiderAt };
    this.#append(
      { type: item === undefined ? 'TipWithheld' : 'TipProposed', data: { decision: record } },
      instant(at),
    );
    if (unavailable) return;
    this.#horizon = { record, dueAt: holdsUntil + (item === undefined ? 0 : GRACE_MS), shown: false };
    if (item !== undefined) this.active = this.#horizon;
  }

  #close(outcome: OutcomeKind, at: number): void {
    if (this.#horizon === undefined) return;
    const { decisionId, decidedAt, holdsUntil } = this.#horizon.record;
    const ends = instant(Math.min(at, epochMs(holdsUntil ?? '')));
    this.#horizon = undefined;
    this.#append(
      {
        type: 'DecisionOutcomeClosed',
        data: { decisionId, outcome, horizonStartedAt: decidedAt, horizonEndedAt: ends },
      },
      this.#now(),
    );
  }

  #append(event: DomainEvent, occurredAt: Instant, key = `${this.events.length}`): string {
    const stream = streamOf(EVENTS[event.type].category === 'signals' ? 'signals' : 'tips', this.user);
    const revision = this.#revisions.get(stream) ?? 0;
    this.#revisions.set(stream, revision + 1);
    const commandId = derivedCommandId(event.type, `${this.user}\n${key}`);
    const envelope: EventEnvelope = {
      id: eventIdOf(commandId, 0, ''),
      type: event.type,
      stream,
      revision: String(revision),
      position: String(this.events.length + 1),
      data: payloadJson(event),
      metadata: metadataJson({
        correlationId: commandId,
        causationId: commandId,
        userId: this.user,
        tenantId: tenantOf(this.user),
        schemaVersion: EVENTS[event.type].version,
        producer: 'small',
        occurredAt,
        recordedAt: this.#now(),
        commandId,
      }),
    };
    this.events.push(envelope);
    this.nats.publish(eventSubject(stream, event.type) ?? '', JSON.stringify(envelope));
    return envelope.id;
  }

  #now(): Instant {
    return this.standsAt ?? instant(Date.now());
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }
}

const problem = (status: number, code: string): [number, unknown] => [
  status,
  { type: `urn:oo:problem:${code}`, title: code, detail: 'said by the small platform', status },
];
