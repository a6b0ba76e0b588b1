import { delay, within } from '../clock/timing.js';
import { AnotherPast } from '../event-store/errors.js';
import { startSpan, traceparent } from '../telemetry/tracing.js';
import { commitBatch, commitRefold } from './commit.js';
import type { FoldContext, Folded } from './fold.js';
import type { ArrivedEvent, History } from './history.js';
import { Inbox, type Link, runOf } from './inbox.js';
import type { LiveFeed, LiveMessage } from './live-feed.js';
import { type PartitionSet, partitionOfOwner } from './partitions.js';
import { followedOwner, type ProjectionDefinition } from './projection.js';
import { readAhead } from './read-ahead.js';
import { CheckpointWentBack, ProjectionPaused, type ReadModel, type StreamMark } from './read-model.js';

export interface WorkerOptions {
  readonly projection: ProjectionDefinition;
  readonly partitions: PartitionSet;
  readonly readModel: ReadModel;
  readonly history: History;
  readonly feed: LiveFeed;
  /**
   * Told, after the commit, whose rows have changed. What changed on the way to the head is told when it is reached,
   * and in a long rebuild only of the streams that changed last.
   */
  readonly changed?: (marks: readonly StreamMark[]) => void;
  /** Told of parked events, and of failures that the worker will try to get over. */
  readonly report?: (report: WorkerReport) => void;
  readonly timing?: Partial<WorkerTiming>;
}

export type WorkerReport =
  | { readonly kind: 'parked'; readonly events: Folded['parked'] }
  | { readonly kind: 'caught-up'; readonly position: bigint; readonly applied: number }
  | { readonly kind: 'paused' }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface WorkerTiming {
  /** After this long without a message, the store is asked whether there is more. */
  readonly sweepMs: number;
  /** The same while the broker has no feed. */
  readonly pollMs: number;
  /** Pause after a failure. */
  readonly retryMs: number;
  /** Events in a transaction at the most. */
  readonly batch: number;
  /** For so long an event that nobody waits for waits for others. */
  readonly gatherMs: number;
}

export const WORKER_TIMING: WorkerTiming = {
  sweepMs: 1_000,
  pollMs: 200,
  retryMs: 500,
  batch: 1_000,
  gatherMs: 20,
};

/** For so long the database may be silent when a worker begins. */
const BEGIN_MS = 15_000;

/** As many streams as have an interested page open, and not a hint for each of a million that are rebuilt. */
const UNTOLD = 10_000;

/** Counts since the worker's start. */
export interface WorkerCounts {
  readonly applied: number;
  readonly duplicates: number;
  readonly refilled: number;
  readonly refolded: number;
  readonly parked: number;
  /** Times that the store was read, since the broker had left something out or had nothing to say. */
  readonly reads: number;
}

/**
 * Keeps a read model at the head of the store. It starts from its own checkpoint, reads the store up to the head,
 * and then applies what the broker delivers for as long as that follows without a hole; whenever it does not, it
 * reads the store again. The broker makes it fast; only the store makes it right.
 */
export class ProjectionWorker {
  readonly #context: FoldContext;
  readonly #options: WorkerOptions;
  readonly #timing: WorkerTiming;
  #position = -1n;
  #isReady = false;
  #isPaused = false;
  #failure: unknown;
  /** Streams that changed on the way to the head. */
  readonly #untold = new Map<string, StreamMark>();
  #counts: WorkerCounts = { applied: 0, duplicates: 0, refilled: 0, refolded: 0, parked: 0, reads: 0 };

  constructor(options: WorkerOptions) {
    const { projection, partitions, history } = options;
    this.#context = { projection, partitions, history };
    this.#options = options;
    this.#timing = { ...WORKER_TIMING, ...options.timing };
  }

  /** Position up to which everything has been handled; -1 before anything was. */
  get position(): bigint {
    return this.#position;
  }

  /** True once it has reached the head of the store and as long as it does not fail. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** True while an operator wants it to write nothing. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Why it is not ready, where it has failed. */
  get failure(): string | undefined {
    const error = this.#isReady ? undefined : this.#failure;
    return error === undefined || error instanceof Error ? error?.message : String(error);
  }

  get counts(): WorkerCounts {
    return this.#counts;
  }

  /** Runs until `signal` is aborted. After a failure it starts again from what is in the database. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (error) {
        this.#isReady = false;
        const isPaused = error instanceof ProjectionPaused;
        this.#failure = isPaused ? undefined : error;
        if (!isPaused) this.#options.report?.({ kind: 'failed', error });
        else if (!this.#isPaused) this.#options.report?.({ kind: 'paused' });
        this.#isPaused = isPaused;
        await delay(this.#timing.retryMs, signal);
      }
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { readModel, feed, partitions } = this.#options;
    const { batch, sweepMs, pollMs } = this.#timing;
    const inbox = new Inbox();
    // First the ear to the broker, then the store: what happens in between is then in one of the two.
    const unsubscribe = feed.subscribe((message) => inbox.push(message));
    try {
      // A database that takes questions and answers none is to be told of, not waited for in silence.
      const began = readModel.prepare().then(() => readModel.position(partitions));
      this.#position = await within(BEGIN_MS, began, () => {
        throw new Error(`the database does not answer within ${BEGIN_MS} ms`);
      });
      this.#isPaused = false;
      await this.#requireSameStore();
      await this.#catchUp(signal);
      if (signal.aborted) return;
      await this.#retryParked();
      this.#isReady = true;
      this.#tell([...this.#untold.values()]);
      this.#untold.clear();
      this.#options.report?.({ kind: 'caught-up', position: this.#position, applied: this.#counts.applied });
      let link: Link | undefined;
      while (!signal.aborted) {
        const messages = await inbox.take(batch, feed.isLive ? sweepMs : pollMs, signal);
        if (messages.length > 0) await this.#gather(inbox, messages, signal);
        const run = runOf(messages, this.#position, link);
        if (run.events.length > 0) await this.#commit(run.events, run.through);
        link = run.link;
        inbox.putBack(run.rest);
        if (messages.length === 0) await this.#requireCheckpoint();
        if (messages.length === 0 || run.rest.length > 0) {
          const before = this.#position;
          await this.#catchUp(signal);
          // A follower of the store's cluster may be behind the broker for a moment.
          if (run.rest.length > 0 && this.#position === before) await delay(pollMs, signal);
        }
      }
    } finally {
      unsubscribe();
    }
  }

  /** Adds what comes within a moment, until there is something that somebody waits for. */
  async #gather(inbox: Inbox, messages: LiveMessage[], signal: AbortSignal): Promise<void> {
    const { projection, partitions } = this.#options;
    const { batch, gatherMs } = this.#timing;
    const isAwaited = ({ event }: LiveMessage) => {
      const owner = projection.isAwaited ? followedOwner(projection, event.stream) : undefined;
      return owner !== undefined && partitions.has(partitionOfOwner(owner));
    };
    const until = performance.now() + gatherMs;
    let newest: readonly LiveMessage[] = messages;
    while (!signal.aborted && messages.length < batch && !newest.some(isAwaited)) {
      const left = until - performance.now();
      if (left <= 0) return;
      newest = await inbox.take(batch - messages.length, left, signal);
      messages.push(...newest);
    }
  }

  /** @throws where the rows know more than the store has: they come of another store, or this one lags behind */
  async #requireSameStore(): Promise<void> {
    const { history, projection } = this.#options;
    const head = (await history.head()) ?? -1n;
    if (head >= this.#position) {
      // A store that was put back may have grown beyond: but for a chance, none of its events begins just there.
      if (this.#position >= 0n) await history.readAll(this.#position, 1)[Symbol.asyncIterator]().next();
      return;
    }
    throw new AnotherPast(
      `${projection.name} is at position ${this.#position}, and the store ends at ${head}`,
    );
  }

  /** @throws where the tables are gone or older than what was written: the worker then starts from what they say */
  async #requireCheckpoint(): Promise<void> {
    const { readModel, partitions } = this.#options;
    const stored = await readModel.position(partitions);
    if (stored >= this.#position) return;
    throw new CheckpointWentBack(this.#position, stored);
  }

  async #catchUp(signal: AbortSignal): Promise<void> {
    const { history } = this.#options;
    this.#count({ reads: 1 });
    const after = this.#position < 0n ? undefined : this.#position;
    for await (const page of readAhead(history.readAll(after, this.#timing.batch))) {
      if (signal.aborted) return;
      const last = page.at(-1);
      if (last !== undefined) await this.#commit(page, last.position);
    }
  }

  async #commit(events: readonly ArrivedEvent[], through: bigint): Promise<void> {
    const batch = { events, before: this.#position, through };
    const began = Date.now();
    const folded = await commitBatch(this.#context, this.#options.readModel, batch);
    this.#committed({ ...folded, changed: folded.changed.map((mark) => this.#traced(mark, began)) }, through);
  }

  /** Tries again what waits: the code may have been mended since. */
  async #retryParked(): Promise<void> {
    const { readModel, partitions } = this.#options;
    const owners = await readModel.parkedOwners();
    for (const owner of owners.filter((one) => partitions.has(partitionOfOwner(one)))) {
      this.#committed(await commitRefold(this.#context, readModel, owner, this.#position), this.#position);
    }
  }

  /** Tells the trace of an event that its rows are written, and has the hint go on from there. */
  #traced(mark: StreamMark, startedAt: number): StreamMark {
    const { traceparent: parent } = mark;
    if (parent === undefined) return mark;
    const span = startSpan(`project ${this.#options.projection.name}`, {
      kind: 'consumer',
      parent,
      startedAt,
    });
    span?.end();
    return { ...mark, traceparent: span?.run(traceparent) ?? parent };
  }

  #committed(folded: Folded, through: bigint): void {
    this.#position = through;
    const { applied, duplicates, refilled, refolded, parked, changed } = folded;
    this.#count({ applied, duplicates, refilled, refolded, parked: parked.length });
    if (parked.length > 0) this.#options.report?.({ kind: 'parked', events: parked });
    if (this.#isReady) this.#tell(changed);
    else this.#keepUntold(changed);
  }

  #tell(marks: readonly StreamMark[]): void {
    if (marks.length > 0) this.#options.changed?.(marks);
  }

  #keepUntold(marks: readonly StreamMark[]): void {
    for (const mark of marks) {
      this.#untold.delete(mark.stream);
      this.#untold.set(mark.stream, mark);
    }
    for (const stream of this.#untold.keys()) {
      if (this.#untold.size <= UNTOLD) break;
      this.#untold.delete(stream);
    }
  }

  #count(more: Partial<WorkerCounts>): void {
    const counts = { ...this.#counts };
    for (const name of Object.keys(more) as (keyof WorkerCounts)[]) counts[name] += more[name] ?? 0;
    this.#counts = counts;
  }
}
