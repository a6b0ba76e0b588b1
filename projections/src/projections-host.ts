import type { NatsConnection } from '@nats-io/transport-node';
import { changedSubject, isUserId, QUERIES } from '@oo/contracts';
import {
  answerQuery,
  type EventStore,
  figures,
  JetStreamFeed,
  lagBehind,
  lagReadings,
  orWithoutTables,
  PostgresReadModel,
  ProjectionWorker,
  progressQuery,
  type Reading,
  type ReadModels,
  readModels,
  type StreamMark,
  settle,
  tracedHeaders,
  type WorkerReport,
} from '@oo/event-sourcing';
import type { Health, Log } from '@oo/service-host';
import type { ProjectionsConfig } from './configuration.js';
import { PROJECTIONS, type ProjectionName } from './registry.js';
import { progressOf } from './waiting.js';

/** The tips service answers for its timers under this name; it looks into the rows itself. */
const ANSWERED_ELSEWHERE: ProjectionName = 'deadlines';

export interface HostParts {
  readonly nats: NatsConnection;
  readonly eventStore: EventStore;
  readonly health: Health;
  readonly log: Log;
}

/** Runs a worker for each projection, over one feed of the broker. */
export class ProjectionsHost {
  readonly #sql: ReadModels;
  readonly #feed: JetStreamFeed;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #ends: (() => void)[] = [];

  constructor(
    private readonly parts: HostParts,
    private readonly config: ProjectionsConfig,
  ) {
    // A worker writes in one transaction at a time; the others answer how far they are.
    const max = config.OO_PROJECTIONS.length + 4;
    this.#sql = readModels(config.OO_READMODELS_URL, { max, name: 'projections' });
    this.#feed = new JetStreamFeed(parts.nats, (err) =>
      parts.log.warn({ err }, 'the broker gives no events'),
    );
  }

  start(): void {
    const { signal } = this.#stop;
    this.#running.push(this.#feed.run(signal));
    for (const name of this.config.OO_PROJECTIONS) {
      const worker = this.#worker(name);
      const { health } = this.parts;
      health.add(name, () => ({
        // Paused is what somebody wants: no reason to hold up a start or to send requests elsewhere.
        ok: worker.isReady || worker.isPaused,
        detail: {
          position: String(worker.position),
          paused: worker.isPaused,
          ...(worker.failure === undefined ? {} : { reason: worker.failure }),
          ...worker.counts,
        },
      }));
      this.#ends.push(figures.from(() => this.#readings(name, worker)));
      this.#running.push(worker.run(signal));
      if (name !== ANSWERED_ELSEWHERE) this.#answerProgress(name);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    for (const end of this.#ends.splice(0)) end();
    await Promise.all(this.#running);
    await this.#sql.end({ timeout: 5 });
  }

  #worker(name: ProjectionName): ProjectionWorker {
    const projection = PROJECTIONS[name];
    return new ProjectionWorker({
      projection,
      partitions: this.config.OO_PARTITIONS,
      readModel: new PostgresReadModel(this.#sql, projection, { url: this.config.OO_READMODELS_URL }),
      history: this.parts.eventStore,
      feed: this.#feed,
      changed: (marks) => this.#hint(name, marks),
      report: reporting(this.parts.log, name),
    });
  }

  async #readings(name: ProjectionName, worker: ProjectionWorker): Promise<Reading[]> {
    const { position, counts } = worker;
    const parked = await orWithoutTables<readonly { people: number }[]>(
      this.#sql<{ people: number }[]>`
        select count(distinct owner)::int as people from ${this.#sql(PROJECTIONS[name].schema)}.parked`,
      [],
    );
    const labels = { consumer: name };
    return [
      ...lagReadings(name, await lagBehind(this.parts.eventStore, position, Date.now())),
      { name: 'oo.consumer.position', labels, value: Number(position) },
      { name: 'oo.consumer.applied', labels, value: counts.applied },
      { name: 'oo.consumer.duplicates', labels, value: counts.duplicates },
      { name: 'oo.consumer.refills', labels, value: counts.refilled },
      { name: 'oo.consumer.refolds', labels, value: counts.refolded },
      { name: 'oo.consumer.parked', labels, value: counts.parked },
      { name: 'oo.consumer.parked.people', labels, value: parked[0]?.people ?? 0 },
      { name: 'oo.consumer.paused', labels, value: worker.isPaused ? 1 : 0 },
      { name: 'oo.consumer.store.reads', labels, value: counts.reads },
    ];
  }

  #hint(name: ProjectionName, marks: readonly StreamMark[]): void {
    const { nats } = this.parts;
    if (nats.isClosed() || nats.isDraining()) return;
    for (const { owner, stream, revision, traceparent } of marks) {
      if (!isUserId(owner)) continue;
      const hint = JSON.stringify({ stream, revision: String(revision) });
      nats.publish(changedSubject(name, owner), hint, tracedHeaders(traceparent));
    }
  }

  async #progress(name: ProjectionName): Promise<bigint> {
    const position = await progressOf(this.#sql, name);
    if (position >= 0n) return position;
    // Who asks an empty store for its head is told 0, and there is nothing to wait for.
    return (await this.parts.eventStore.head()) === undefined ? 0n : position;
  }

  #answerProgress(name: ProjectionName): void {
    const { nats, log } = this.parts;
    answerQuery(
      nats,
      QUERIES.progress(name),
      progressQuery,
      (query) => settle(query, async () => ({ position: await progressOf(this.#sql, name), atRest: true })),
      (err) => log.error({ err, projection: name }, 'a question about progress failed'),
      // Workers with other partitions answer the same: they all look into the database.
      'projections',
    );
  }
}

/** Writes to the log what a worker tells; a failure that repeats only once. */
function reporting(log: Log, projection: ProjectionName): (report: WorkerReport) => void {
  let failure = '';
  return (report) => {
    if (report.kind === 'failed') {
      const { error: err } = report;
      if (String(err) !== failure) log.warn({ err, projection }, 'a worker failed; it goes on trying');
      failure = String(err);
      return;
    }
    failure = '';
    if (report.kind === 'paused') {
      log.warn({ projection }, `paused; go on with: oo projections resume ${projection}`);
      return;
    }
    if (report.kind === 'caught-up') {
      const { position, applied } = report;
      log.info({ projection, position: String(position), applied }, 'at the head of the store');
      return;
    }
    for (const { owner, stream, revision, type, error } of report.events) {
      if (error === null) continue;
      const at = { projection, owner, stream, revision: String(revision), type, error };
      log.error(at, 'an event is parked; its person waits in this read model until it can be applied');
    }
  };
}
