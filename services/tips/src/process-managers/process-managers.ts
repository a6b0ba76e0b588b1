import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { type BeforeApplicationShutdown, Inject, type OnApplicationBootstrap } from '@nestjs/common';
import {
  type Clock,
  type EventStore,
  figures,
  JetStreamWork,
  lagBehind,
  lagReadings,
  lastRelayed,
  type Progress,
  type ProgressQuery,
  type Reading,
  type ReadModels,
  readModels,
  settle,
  Worker,
  type WorkQueue,
  type WorkReport,
} from '@oo/event-sourcing';
import { progressOf } from '@oo/projections';
import {
  CLOCK,
  CONFIGURATION,
  EVENT_STORE,
  HEALTH,
  type Health,
  LOG,
  type Log,
  NATS,
} from '@oo/service-host';
import type { TipsConfig } from '../config.js';
import { TIPS, type Tips } from '../tips.js';
import { completionQueue } from './completions.js';
import { Deadlines, deadlineRowsOf } from './deadlines.js';
import { proposalQueue } from './proposals.js';
import { isDown } from './reply.js';

/** Runs the process managers of the tips for as long as the process does. */
export class ProcessManagers implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #stop = new AbortController();
  readonly #readModels: ReadModels;
  readonly #deadlines: Deadlines;
  readonly #work: JetStreamWork;
  readonly #proposalQueue: WorkQueue;
  readonly #completionQueue: WorkQueue;
  readonly #proposals: Worker;
  readonly #completions: Worker;
  #running: Promise<unknown> = Promise.resolve();
  #endFigures: () => void = () => undefined;

  constructor(
    @Inject(NATS) private readonly nats: NatsConnection,
    @Inject(TIPS) tips: Tips,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(CLOCK) clock: Clock,
    @Inject(LOG) private readonly log: Log,
    @Inject(HEALTH) health: Health,
    @Inject(CONFIGURATION) config: TipsConfig,
  ) {
    this.#readModels = readModels(config.OO_READMODELS_URL, { max: 2, name: 'tips' });
    this.#deadlines = new Deadlines(deadlineRowsOf(this.#readModels), tips, clock, log);
    const report = (what: WorkReport) => this.#report(what);
    this.#work = new JetStreamWork(nats);
    this.#proposalQueue = proposalQueue(tips, clock, log);
    this.#completionQueue = completionQueue(tips, store, clock);
    this.#proposals = new Worker(this.#work, this.#proposalQueue, isDown, report);
    this.#completions = new Worker(this.#work, this.#completionQueue, isDown, report);
    health.add('proposals', () => ({ ok: this.#proposals.isFollowing }));
    health.add('completions', () => ({ ok: this.#completions.isFollowing }));
    health.add('readmodels', async () => {
      await this.#readModels`select 1`;
      return { ok: true };
    });
  }

  onApplicationBootstrap(): void {
    const { signal } = this.#stop;
    this.#endFigures = figures.from(() => this.#lags());
    this.#running = Promise.all([
      this.#proposals.run(signal),
      this.#completions.run(signal),
      this.#deadlines.run(signal),
    ]);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    this.#endFigures();
    await this.#running;
    await this.#readModels.end({ timeout: 1 });
  }

  /** Whether the recommender's proposals, and the completions, are handled as far as the relay has come. */
  async proposalsProgress(query: ProgressQuery): Promise<Progress> {
    const jsm = await jetstreamManager(this.nats);
    return settle(query, async () => {
      const position = (await lastRelayed(jsm))?.position ?? -1n;
      const atRest = (await this.#completions.isDrained()) && (await this.#proposals.isDrained());
      return { position, atRest };
    });
  }

  /** Whether no deadline is due, by the read model as it stands at the asked position. */
  deadlinesProgress(query: ProgressQuery): Promise<Progress> {
    return settle(query, () => this.#deadlines.standing());
  }

  async #lags(): Promise<Reading[]> {
    const now = Date.now();
    const [proposals, completions, position] = await Promise.all([
      this.#work.lag(this.#proposalQueue, now),
      this.#work.lag(this.#completionQueue, now),
      progressOf(this.#readModels, 'deadlines'),
    ]);
    return [
      ...lagReadings('proposals', proposals),
      ...lagReadings('completions', completions),
      ...lagReadings('deadlines', await lagBehind(this.store, position, now)),
    ];
  }

  #report(what: WorkReport): void {
    const { kind, error: err, ...rest } = what;
    if (kind === 'terminated') this.log.error({ err, ...rest }, 'a message was given up');
    else if (kind === 'retried') this.log.warn({ err, ...rest }, 'a message is tried again');
    else this.log.warn({ err }, 'the queue was interrupted; it is taken up again');
  }
}
