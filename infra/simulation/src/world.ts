import { createHash } from 'node:crypto';
import {
  type CommandName,
  type EventEnvelope,
  instant,
  newUserId,
  QUERIES,
  tenantId,
  type UserId,
} from '@oo/contracts';
import {
  ALL_PARTITIONS,
  type Clock,
  EventStoreUnavailable,
  envelopeOf,
  ProjectionWorker,
  type ReadModel,
  type Row,
  type StoredEvent,
  type Table,
  Worker,
  type WorkReport,
} from '@oo/event-sourcing';
import { ProfileController } from '@oo/profile';
import { PROJECTIONS } from '@oo/projections';
import { History, historyQuery, Relay } from '@oo/relay';
import { answerQueryOf, createLog, type Log } from '@oo/service-host';
import { SignalsController } from '@oo/signals';
import { completionQueue, Deadlines, isDown, proposalQueue, Tips, TipsController } from '@oo/tips';
import { Broker } from './broker.js';
import { BrokerClient, Feed } from './broker-client.js';
import { Database, DatabaseClient } from './database.js';
import { EventLog, type EventLogClient, LogClient } from './event-log.js';
import { FAULTS, type FaultName, type Weather, weatherOf } from './faults.js';
import {
  ENDED_ONCE,
  Invariants,
  MEMORY_IS_FOLD,
  NO_BUG,
  SETTLES,
  SNAPSHOT_IS_FOLD,
  type Violation,
} from './invariants.js';
import { Life } from './life.js';
import type { Mutation } from './mutations.js';
import { Network } from './network.js';
import { Random } from './random.js';
import type { Compared, Line, LockStep, Said, Told } from './recommender.js';
import { SnapshotCache, snapshotStoreOf } from './snapshot-cache.js';
import { VirtualTime } from './virtual-time.js';
import { Visitor } from './visitor.js';

/** Monday, 5 January 2026, 08:00 UTC. */
const MORNING = Date.UTC(2026, 0, 5, 8);
const RELAYS = ['relay-a', 'relay-b'];
const HANDLERS = ['handlers-a', 'handlers-b'];
const PROJECTORS = ['projections-a', 'projections-b'];
const RECOMMENDER = 'recommender';
const PROCESSES = [...RELAYS, ...HANDLERS, ...PROJECTORS, RECOMMENDER];
/** Lives are short here: as often as a life has it, not a stream. */
const SNAPSHOT_EVERY = 4;
/** How long everything may take to come to rest once the faults are over. */
const REST_MS = 120_000;

/** What a seed came to. */
export interface Run {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** SHA-256 over all that happened: the same seed gives the same. */
  readonly digest: string;
  readonly steps: number;
  readonly events: number;
  readonly acknowledged: number;
  readonly decisions: number;
  readonly tips: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly virtualMs: number;
}

/** One process of oO, and how it is started. */
interface Running {
  life: Life | undefined;
  readonly start: (life: Life) => void;
}

/** Everything that there is, from one seed. */
export class World {
  readonly #random: Random;
  readonly #time = new VirtualTime(MORNING);
  readonly #network: Network;
  readonly #log: EventLog;
  readonly #broker: Broker;
  readonly #databases: Database[];
  readonly #snapshots: SnapshotCache;
  readonly #invariants = new Invariants();
  readonly #weather: Weather;
  readonly #processes = new Map<string, Running>();
  readonly #visitors: Visitor[];
  readonly #counts: Record<string, number> = {};
  readonly #digest = createHash('sha256');
  readonly #handlers = new Map<
    string,
    Record<string, (name: CommandName, body: Uint8Array) => Promise<unknown>>
  >();
  readonly #histories = new Map<string, History>();
  readonly #relays = new Map<string, Relay>();
  #isStorm = true;
  #answered: Compared[] = [];
  #memory: Pick<Line, 'idle' | 'position'> = { idle: false, position: -1 };
  #tellRecommender: ((told: Told) => void) | undefined;

  /**
   * @param lockStep the recommender's process; one for any number of worlds, one after the other
   * @param told what happens, for whoever looks for a cause
   */
  constructor(
    private readonly seed: number,
    private readonly lockStep: LockStep,
    private readonly mutation: Mutation = {},
    private readonly told: (line: string) => void = () => undefined,
  ) {
    const random = new Random(`oO ${seed}`);
    this.#random = random;
    this.#weather = weatherOf(random.fork('weather'));
    this.#network = new Network(this.#time, random.fork('network'), (life) => this.#crash(life, 'at a call'));
    this.#log = new EventLog(this.#time, random.fork('store'), (event) => this.#appended(event));
    this.#broker = new Broker(this.#time, random.fork('broker'), (stream, message, before) =>
      this.#invariants.relayed(this.#log, stream, message, before),
    );
    this.#snapshots = new SnapshotCache(this.#log, (detail) =>
      this.#invariants.fail(SNAPSHOT_IS_FOLD, detail),
    );
    this.#databases = Object.values(PROJECTIONS).map(
      (projection) =>
        new Database(projection, (database) => {
          this.#invariants.committed(this.#log, database).catch((error: unknown) => this.#bug(error));
        }),
    );
    this.#visitors = [1, 2, 3].map((number) => this.#visitor(number));
    for (const name of RELAYS)
      this.#processes.set(name, { life: undefined, start: (life) => this.#relay(life) });
    for (const name of HANDLERS) {
      this.#processes.set(name, { life: undefined, start: (life) => this.#handler(life) });
    }
    for (const name of PROJECTORS) {
      this.#processes.set(name, { life: undefined, start: (life) => this.#projector(life) });
    }
    this.#processes.set(RECOMMENDER, { life: undefined, start: (life) => this.#recommender(life) });
  }

  async run(): Promise<Run> {
    const draws = this.#random.fork('draws');
    const uninstall = this.#time.install(() => draws.unit());
    try {
      for (const name of PROCESSES) this.#start(name);
      for (const visitor of this.#visitors) visitor.live().catch((error: unknown) => this.#bug(error));
      this.#network.faults = this.#weather.calls;
      this.#blow();
      this.#leap();
      await this.#until(() => this.#time.now >= this.#weather.lastsMs);
      this.#calm();
      await this.#rest();
    } finally {
      for (const { life } of this.#processes.values()) life?.kill();
      uninstall();
    }
    return this.#result();
  }

  /** Steps until `done`, or until something is violated. */
  async #until(done: () => boolean): Promise<void> {
    while (!done() && this.#invariants.violation === undefined && (await this.#time.step()));
  }

  // The faults.

  #blow(): void {
    const random = this.#random.fork('faults');
    const next = () => {
      this.#time.schedule(random.between(0, 2 * this.#weather.everyMs), () => {
        if (!this.#isStorm) return;
        if (this.#weather.faults.length > 0) this.#strike(random.pick(this.#weather.faults), random);
        next();
      });
    };
    next();
  }

  #strike(name: FaultName, random: Random): void {
    this.#count(name);
    this.told(`${this.#at} fault: ${name}`);
    FAULTS[name](
      {
        time: this.#time,
        network: this.#network,
        broker: this.#broker,
        databases: this.#databases,
        snapshots: this.#snapshots,
        processes: PROCESSES,
        kill: (process) => {
          const life = this.#processes.get(process)?.life;
          if (life?.alive === true) this.#crash(life, 'by the schedule');
        },
        stop: (process, milliseconds) => {
          const life = this.#processes.get(process)?.life;
          if (life !== undefined) life.stoppedUntil = this.#time.now + milliseconds;
        },
        skew: (process, milliseconds) => {
          const life = this.#processes.get(process)?.life;
          if (life !== undefined) life.skew = milliseconds;
        },
      },
      random,
    );
  }

  /** Time that passes without anything else happening, so that deadlines and moments come. */
  #leap(): void {
    const random = this.#random.fork('leaps');
    const next = () => {
      this.#time.schedule(random.between(300, 3_000), () => {
        if (!this.#isStorm) return;
        const [low, high] = random.pick(LEAPS);
        const minutes = random.between(low, high);
        this.#time.leap(minutes * 60_000);
        this.told(`${this.#at} ${minutes.toFixed()} minutes pass`);
        next();
      });
    };
    next();
  }

  #calm(): void {
    this.#isStorm = false;
    this.told(`${this.#at} the faults are over`);
    this.#network.heal();
    this.#broker.isFull = false;
    for (const visitor of this.#visitors) visitor.leave();
    for (const [name, running] of this.#processes) {
      if (running.life?.alive !== true) this.#start(name);
      else {
        running.life.stoppedUntil = 0;
        running.life.skew = 0;
      }
    }
  }

  /** Waits until all is done, and holds the recommender's memory against the store. */
  async #rest(): Promise<void> {
    const deadline = this.#time.now + REST_MS;
    for (;;) {
      const later = this.#time.now + 200;
      this.#time.schedule(200, () => undefined);
      await this.#until(() => this.#time.now >= later);
      if (this.#invariants.violation !== undefined) return;
      const open = this.#open();
      if (open === undefined) {
        const due = await this.#compare();
        if (due === undefined || this.#invariants.violation !== undefined) return;
        if (this.#time.now > deadline) return this.#invariants.fail(ENDED_ONCE, due);
      } else if (this.#time.now > deadline) return this.#invariants.fail(SETTLES, open);
    }
  }

  /** What is not done yet. */
  #open(): string | undefined {
    const head = this.#log.head ?? -1n;
    const busy = this.#visitors.find(({ outstanding }) => outstanding > 0);
    if (busy !== undefined) return `${busy.outstanding} commands of ${busy.user} are unanswered`;
    for (const { projection, rows } of this.#databases) {
      const checkpoint = rows.checkpoint(ALL_PARTITIONS);
      if (checkpoint < head) return `${projection.name} is at ${checkpoint}, the store at ${head}`;
    }
    const relayed = Math.max(...[...this.#relays.values()].map(({ standing }) => Number(standing.position)));
    if (relayed < Number(head)) return `the relays are at ${relayed}, the store at ${head}`;
    for (const consumer of this.#broker.consumers.values()) {
      const waiting = this.#broker.unfinished(consumer);
      if (waiting > 0) return `${waiting} messages of ${consumer.queue.durable} are not handled`;
    }
    const { idle, position } = this.#memory;
    if (BigInt(position) < head) return `the recommender is at ${position}, the store at ${head}`;
    if (!idle) return 'the recommender is not at rest';
    const [due] = this.#due(instant(this.#time.wall() - 5_000), 1);
    return due === undefined ? undefined : `the deadline of ${String(due.decision_id)} is over`;
  }

  /**
   * Holds the recommender's memory, at rest at the head, against a straight fold of the store.
   * @returns what is due by that fold and has not ended
   */
  async #compare(): Promise<string | undefined> {
    this.#answered = [];
    this.#tellRecommender?.({ kind: 'compare', envelopes: this.#log.events.map(envelopeOf) });
    const deadline = this.#time.now + 100;
    this.#time.schedule(100, () => undefined);
    await this.#until(() => this.#answered.length > 0 || this.#time.now >= deadline);
    const [compared] = this.#answered;
    if (compared === undefined) return 'the recommender does not answer';
    const { differences, due } = compared;
    if (differences.length > 0) this.#invariants.fail(MEMORY_IS_FOLD, differences.join('; '));
    return due.length > 0 ? `due, and not ended: ${due.join()}` : undefined;
  }

  // The processes.

  #start(name: string): void {
    const running = this.#processes.get(name);
    if (running === undefined || running.life?.alive === true) return;
    const life = new Life(name);
    running.life = life;
    this.told(`${this.#at} ${name} starts`);
    this.#time.schedule(0, () => running.start(life), life);
  }

  #crash(life: Life, how: string): void {
    if (!life.alive) return;
    life.kill();
    this.#count('crash');
    this.told(`${this.#at} ${life.name} is killed ${how}`);
    this.#relays.delete(life.name);
    this.#histories.delete(life.name);
    this.#handlers.delete(life.name);
    this.#time.schedule(this.#random.between(20, 2_500), () => this.#start(life.name));
  }

  #relay(life: Life): void {
    const log = this.#logClient(life);
    const topic = this.mutation.topic?.(this.#brokerClient(life)) ?? this.#brokerClient(life);
    const relay = new Relay(topic, log, (report) => {
      if (report.kind === 'left-out') this.#invariants.fail(NO_BUG, 'an event was left out');
      if (report.kind === 'interrupted') this.told(`${this.#at} ${life.name}: ${String(report.error)}`);
    });
    this.#relays.set(life.name, relay);
    this.#histories.set(
      life.name,
      new History(log, () => this.#invariants.fail(NO_BUG, 'an event was left out')),
    );
    relay.run(new AbortController().signal).catch((error: unknown) => this.#bug(error, life));
  }

  #handler(life: Life): void {
    const log = this.#loggerOf(life);
    const bare = this.#logClient(life);
    const store = this.mutation.log?.(bare, this.#log) ?? bare;
    const clock = this.#clock(life);
    const cache = snapshotStoreOf(this.#snapshots, this.#network, life);
    const snapshots = this.mutation.snapshots?.(cache) ?? cache;
    const tips = new Tips(store, snapshots, SNAPSHOT_EVERY);
    const [signals, tipsEdge, profile] = [
      new SignalsController(store, log),
      new TipsController(tips, log),
      new ProfileController(store, log),
    ];
    this.#handlers.set(life.name, {
      RecordSignal: (_, body) => signals.recordSignal(body),
      ShowTip: (_, body) => tipsEdge.showTip(body),
      AnswerTip: (_, body) => tipsEdge.answerTip(body),
      RegisterUser: (_, body) => profile.registerUser(body),
      ChangePreferences: (_, body) => profile.changePreferences(body),
      GrantConsent: (_, body) => profile.grantConsent(body),
      WithdrawConsent: (_, body) => profile.withdrawConsent(body),
    });
    const report = (what: WorkReport) => this.#work(what, life);
    const source = this.#brokerClient(life);
    const rows = {
      due: (now: string, limit: number, after?: { decisionId: string }) =>
        this.#network.reach(life, 'sql', () => this.#due(now, limit, after).map(deadlineOf), failed),
      position: () =>
        this.#network.reach(
          life,
          'sql',
          () => this.#database('deadlines').rows.checkpoint(ALL_PARTITIONS),
          failed,
        ),
    };
    const { signal } = new AbortController();
    const parts = [
      new Worker(source, proposalQueue(tips, clock, log), isDown, report).run(signal),
      new Worker(source, completionQueue(tips, store, clock), isDown, report).run(signal),
      new Deadlines(rows, tips, clock, log).run(signal),
    ];
    for (const part of parts) part.catch((error: unknown) => this.#bug(error, life));
  }

  #projector(life: Life): void {
    const feed = this.#feed(life);
    for (const database of this.#databases) {
      const bare = new DatabaseClient(database, this.#network, this.#random.fork(`sql ${life.name}`), life);
      const readModel: ReadModel = this.mutation.readModel?.(bare) ?? bare;
      const worker = new ProjectionWorker({
        projection: database.projection,
        partitions: ALL_PARTITIONS,
        readModel,
        history: this.#logClient(life),
        feed,
        report: (report) => {
          if (report.kind === 'parked') {
            this.#invariants.fail(NO_BUG, `parked: ${report.events.map(({ error }) => error).join()}`);
          }
          if (report.kind === 'failed') {
            this.told(`${this.#at} ${life.name} ${database.projection.name}: ${String(report.error)}`);
          }
        },
      });
      worker.run(new AbortController().signal).catch((error: unknown) => this.#bug(error, life));
    }
  }

  #recommender(life: Life): void {
    let inbox: Told[] = [{ kind: 'start', policy: this.seed % 2 === 0 ? 'heuristic' : 'random' }];
    let cancel = () => {};
    const exchange = async () => {
      const items = inbox;
      inbox = [];
      cancel();
      const line = await this.lockStep.exchange(this.#time.now, this.#time.wall(life), items);
      const { next, out } = line;
      this.#memory = line;
      for (const said of out) this.#heard(said, life, tell);
      if (next !== null) cancel = this.#time.schedule(next - this.#time.now, exchange, life);
    };
    const tell = (item: Told) => {
      inbox.push(this.mutation.told?.(item) ?? item);
      if (inbox.length === 1) this.#time.schedule(0, exchange, life);
    };
    this.#tellRecommender = tell;
    const feed = this.#feed(life, (isLive) => tell({ kind: 'live', is: isLive }));
    feed.subscribe(({ consumer, sequence, event }) =>
      tell({ kind: 'deliver', consumer: Number(consumer), sequence, envelope: wire(event) }),
    );
    this.#time.schedule(0, exchange, life);
  }

  #heard(said: Said, life: Life, tell: (told: Told) => void): void {
    switch (said.kind) {
      case 'error':
        this.#invariants.fail(NO_BUG, `the recommender: ${said.message}`);
        return;
      case 'compared':
        this.#answered.push(said);
        return;
      case 'publish':
        this.#brokerClient(life)
          .publish(said.stream, said.subject, said.body, said.messageId)
          .then(
            (ack) =>
              tell({
                kind: 'answer',
                id: said.id,
                body: 'error' in ack ? { error: ack.error.description } : {},
              }),
            // Nothing comes back; it waits until its own time is over.
            () => undefined,
          );
        return;
      case 'delete':
        this.#brokerClient(life)
          .deleteStream(said.stream)
          .then(
            () => tell({ kind: 'answer', id: said.id, body: {} }),
            () => undefined,
          );
        return;
      case 'look':
        this.#brokerClient(life)
          .has(said.stream)
          .then(
            (is) => tell({ kind: 'answer', id: said.id, body: { is } }),
            () => undefined,
          );
        return;
      case 'request':
        this.#answer(said.subject, said.body, life).then(
          (body) => tell({ kind: 'answer', id: said.id, body }),
          () => undefined,
        );
    }
  }

  /** Answers what the recommender asks others. */
  #answer(subject: string, body: unknown, life: Life): Promise<unknown> {
    if (subject === QUERIES.candidates) {
      const items = [0, 1, 2].map((task) => ({ ref: `demo:task:${task}`, kind: 'TIP_KIND_TODO' }));
      return this.#network.reach(life, 'integrations', () => ({ items }), failed);
    }
    const name = this.#random.pick(RELAYS);
    const relay = this.#processes.get(name)?.life;
    const log = this.#loggerOf(relay ?? life);
    return this.#network.call(life, relay, async () => {
      const history = this.#histories.get(name);
      if (history === undefined) throw new Error('nobody answers');
      if (subject === QUERIES.historyHead) return { position: String(await history.head()) };
      const bytes = new TextEncoder().encode(JSON.stringify(body));
      const answer = await answerQueryOf(bytes, historyQuery, (query) => history.read(query), log);
      return answer instanceof Uint8Array ? JSON.parse(new TextDecoder().decode(answer)) : answer;
    });
  }

  #visitor(number: number): Visitor {
    const user = newUserId(tenantId('home'), new Uint8Array(16).fill(number));
    const client = new Life(`visitor-${number}`, false);
    const send = async (name: CommandName, body: string): Promise<unknown> => {
      const process = this.#random.pick(HANDLERS);
      return this.#network.call(client, this.#processes.get(process)?.life, async () => {
        const handle = this.#handlers.get(process)?.[name];
        if (handle === undefined) throw new Error(`${process} does not take ${name} now`);
        return handle(name, new TextEncoder().encode(body));
      });
    };
    const page = { tipOf: (user: UserId) => this.#tipOf(user) };
    const random = this.#random.fork(`visitor ${number}`);
    return new Visitor(user, this.#time, random, this.#log, this.#invariants, page, send);
  }

  // What they share.

  #logClient(life: Life): EventLogClient {
    return new LogClient(this.#log, this.#time, this.#network, life);
  }

  #brokerClient(life: Life): BrokerClient {
    return new BrokerClient(this.#broker, this.#time, this.#network, life);
  }

  #feed(life: Life, changed?: (isLive: boolean) => void): Feed {
    const random = this.#random.fork(`feed ${life.name} ${this.#time.now}`);
    const feed = new Feed(this.#broker, this.#time, this.#network, random, life, changed);
    feed.faults = () => (this.#isStorm ? this.#weather.feed : NONE);
    return feed;
  }

  #clock(life: Life): Clock {
    return { now: () => instant(this.#time.wall(life)) };
  }

  #database(name: keyof typeof PROJECTIONS): Database {
    const found = this.#databases.find(({ projection }) => projection === PROJECTIONS[name]);
    if (found === undefined) throw new Error(`no tables of ${name}`);
    return found;
  }

  #due(now: string, limit: number, after?: { decisionId: string }): Row[] {
    const due = rowsOf(this.#database('deadlines'))
      .filter(({ due_at }) => Date.parse(String(due_at)) <= Date.parse(now))
      .sort((one, other) =>
        `${one.due_at}${one.decision_id}` < `${other.due_at}${other.decision_id}` ? -1 : 1,
      );
    const from = due.findIndex(({ decision_id }) => decision_id === after?.decisionId) + 1;
    return due.slice(from, from + limit);
  }

  #tipOf(user: UserId): string | undefined {
    const row = rowsOf(this.#database('current-tip')).find(({ user_id }) => user_id === user);
    return typeof row?.tip_id === 'string' ? row.tip_id : undefined;
  }

  /** A log whose errors are violations: what is expected to fail is a warning. */
  #loggerOf(life: Life): Log {
    return createLog(life.name, 'warn', {
      write: (line) => {
        if (line.includes('"level":50')) this.#invariants.fail(NO_BUG, `${life.name}: ${line}`);
        else this.told(`${this.#at} ${line.trim()}`);
      },
    });
  }

  #work(report: WorkReport, life: Life): void {
    const { error } = report;
    const isExpected =
      error instanceof EventStoreUnavailable || isDown(error) || report.kind === 'interrupted';
    if (!isExpected) this.#bug(error, life);
  }

  #bug(error: unknown, life?: Life): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#invariants.fail(NO_BUG, `${life?.name ?? 'the simulation'}: ${text}`);
  }

  #appended(event: StoredEvent): void {
    const { id, type, stream, revision, position } = event;
    const text = `${stream}@${revision} ${type} ${id} ${position}`;
    this.told(`${this.#at} ${text}`);
    this.#digest.update(`${this.#time.now} ${text}\n`);
    this.#count(type);
    this.#invariants.appended(event);
  }

  #count(name: string): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + 1;
  }

  get #at(): string {
    return this.#time.now.toFixed(3).padStart(12);
  }

  #result(): Run {
    const { steps, now } = this.#time;
    const counted = (names: readonly string[]) =>
      names.reduce((sum, name) => sum + (this.#counts[name] ?? 0), 0);
    return {
      seed: this.seed,
      violation: this.#invariants.violation,
      digest: this.#digest.update(`${steps} ${now}`).digest('hex'),
      steps,
      events: this.#log.events.length,
      acknowledged: this.#visitors.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
      decisions: counted(['TipProposed', 'TipWithheld', 'DecisionVoided']),
      tips: counted(['TipProposed']),
      faults: Object.fromEntries(
        [...Object.keys(FAULTS), 'crash'].flatMap((name) =>
          this.#counts[name] === undefined ? [] : [[name, this.#counts[name]]],
        ),
      ),
      virtualMs: Math.round(now),
    };
  }
}

/** Minutes: what a proposal on its way outlives, what ends a tip's time, a night. */
const LEAPS = [
  [0.1, 3],
  [0.1, 3],
  [0.1, 3],
  [10, 60],
  [10, 60],
  [60, 600],
] as const;

const NONE = { dropped: 0, doubled: 0, late: 0 };
const failed = (reason: string) => new Error(reason);

function rowsOf({ projection, rows }: Database): Row[] {
  return projection.tables.flatMap((table: Table) => rows.rows(table));
}

function deadlineOf({ user_id, decision_id, due_at, ref }: Row) {
  return {
    userId: user_id as UserId,
    decisionId: String(decision_id),
    dueAt: String(due_at),
    ref: ref === null ? null : String(ref),
  };
}

function wire({ revision, position, ...event }: Omit<StoredEvent, 'storedAtMs'>): EventEnvelope {
  return { ...event, revision: String(revision), position: String(position) };
}
