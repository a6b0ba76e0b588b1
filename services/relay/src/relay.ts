import { AnotherPast, delay, type EventStore, type Standing, type StoredEvent } from '@oo/event-sourcing';
import { CheckpointMirror, findCheckpoint } from './checkpoint.js';
import { PipelineBroken, PipelinedPublisher, type PublisherOptions } from './pipelined-publisher.js';
import type { Topic, TopicStanding } from './topic.js';

export type RelayReport =
  | { readonly kind: 'following'; readonly after: bigint | undefined; readonly sequence: number }
  | { readonly kind: 'left-out'; readonly event: StoredEvent }
  | { readonly kind: 'remade'; readonly reason: string }
  | { readonly kind: 'interrupted'; readonly error: unknown };

/** What the relay needs of the store. */
export type RelayedStore = Pick<EventStore, 'follow' | 'head' | 'readAll' | 'readAllBackwards'>;

export interface RelayOptions extends PublisherOptions {
  /** How often the stream is looked at, and the checkpoint mirrored. */
  readonly watchMs: number;
  /** Pause before it begins again after a failure. */
  readonly retryMs: number;
  /**
   * For so long the broker may answer questions and store nothing, or the store may have less than the broker; then the
   * broker's streams are made anew.
   */
  readonly remakeAfterMs: number;
}

export const RELAY_OPTIONS: RelayOptions = {
  depth: 512,
  timeoutMs: 5_000,
  watchMs: 1_000,
  retryMs: 250,
  remakeAfterMs: 5_000,
};

/**
 * Publishes every event of oO's streams to `OO_EVENTS`, in the order of the store. After any failure it asks the
 * stream where it stands and goes on from there; a stream that is missing is made again and filled as far back as it
 * retains. A stream that takes nothing any more (nats-server stays so after a full disk, until it is started again, and
 * says so to nobody: it gives no acknowledgement), or that has events which the store has not, is made anew, since
 * nothing in it is the only copy. Two relays at a time publish the same, and the stream keeps each event once.
 */
export class Relay {
  readonly #options: RelayOptions;
  #publisher: PipelinedPublisher | undefined;
  #startedAfter = -1n;
  /** Since when the broker answers questions and stores nothing, or has events that the store has not. */
  #uselessSince: number | undefined;
  /** How often in a row the stream had an event before, at another place than where it was to go. */
  #repeats = 0;

  constructor(
    private readonly topic: Topic,
    private readonly store: RelayedStore,
    private readonly report: (report: RelayReport) => void,
    options: Partial<RelayOptions> = {},
  ) {
    this.#options = { ...RELAY_OPTIONS, ...options };
  }

  /** True while it follows the store. */
  get isFollowing(): boolean {
    return this.#publisher !== undefined;
  }

  /** How far the stream has the events; at rest when none waits for its acknowledgement. */
  get standing(): Standing {
    const position = this.#publisher?.acknowledged?.position ?? this.#startedAfter;
    return { position, atRest: this.#publisher?.inFlight === 0 };
  }

  /** Runs until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.report({ kind: 'interrupted', error });
        await this.#remakeIfUseless(error);
        await delay(this.#options.retryMs, signal);
      }
    }
  }

  async #remakeIfUseless(error: unknown): Promise<void> {
    // Every round begins with questions: what else goes wrong shows that the broker is away or slow, not that it is stuck.
    const why = error instanceof PipelineBroken ? error.why : undefined;
    // What the stream has had before is known without a write, and says nothing of it.
    if (why === 'repeated') return;
    if (why !== 'unstored' && !(error instanceof AnotherPast)) {
      this.#uselessSince = undefined;
      return;
    }
    const now = performance.now();
    this.#uselessSince ??= now;
    if (now - this.#uselessSince < this.#options.remakeAfterMs) return;
    this.#uselessSince = undefined;
    try {
      await this.topic.remake();
      this.#repeats = 0;
      this.report({ kind: 'remade', reason: String(error) });
    } catch (failure) {
      this.report({ kind: 'interrupted', error: failure });
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    await this.topic.ensure();
    const last = await this.topic.last();
    const stream = await this.topic.standing();
    if (stream === undefined) throw new PipelineBroken('the stream is gone');
    const mirror = new CheckpointMirror(this.topic, stream);
    const found = await findCheckpoint(last, stream, mirror, this.store, Date.now());
    const { position, sequence } = found;
    const end = (await this.store.head()) ?? -1n;
    // It would wait for events behind a place that the store has yet to come to, and leave out all before it.
    if (position !== undefined && position > end)
      throw new AnotherPast(`OO_EVENTS is at position ${position}, and the store ends at ${end}`);
    // Once, another relay was faster and the next round begins behind its messages. Twice, the end of the stream is
    // older than what it has had: what follows that end is stored again, since consumers take neighbours for such.
    const naming = this.#repeats > 1 ? 'place' : 'event';
    const publisher = new PipelinedPublisher(this.topic, sequence, this.#options, naming, (event) =>
      this.report({ kind: 'left-out', event }),
    );
    const round = new AbortController();
    const either = AbortSignal.any([signal, round.signal]);
    this.#startedAfter = position ?? -1n;
    this.#publisher = publisher;
    this.report({ kind: 'following', after: position, sequence });
    const following = this.store.follow(position, (event) => publisher.publish(event), either);
    const watching = this.#watch(stream, mirror, publisher, either);
    try {
      await Promise.race([following, watching, publisher.failed]);
      if (signal.aborted) await this.#finish(publisher, mirror);
    } catch (error) {
      if (publisher.acknowledged !== undefined) this.#uselessSince = undefined;
      const why = error instanceof PipelineBroken ? error.why : undefined;
      if (why === 'repeated') this.#repeats++;
      else if (why !== 'unstored') this.#repeats = 0;
      throw error;
    } finally {
      this.#publisher = undefined;
      round.abort();
      publisher.close();
      // A question to a broker that is gone takes seconds to fail; nobody waits for its answer any more.
      watching.catch(() => {});
      await following.catch(() => {});
    }
  }

  /** Notices a stream that was deleted or put back, also when there is nothing to publish. */
  async #watch(
    stream: TopicStanding,
    mirror: CheckpointMirror,
    publisher: PipelinedPublisher,
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      await delay(this.#options.watchMs, signal);
      if (signal.aborted) return;
      const done = publisher.acknowledged;
      const now = await this.topic.standing();
      if (now === undefined) throw new PipelineBroken('the stream is gone');
      const least = done?.sequence ?? stream.lastSequence;
      if (now.created !== stream.created || now.lastSequence < least) {
        throw new PipelineBroken('the stream is another than it was');
      }
      if (done !== undefined) await mirror.write(done.position, done.sequence);
    }
  }

  /** Lets what was sent arrive, and keeps the last checkpoint. */
  async #finish(publisher: PipelinedPublisher, mirror: CheckpointMirror): Promise<void> {
    const deadline = performance.now() + this.#options.timeoutMs;
    while (publisher.inFlight > 0 && performance.now() < deadline)
      await delay(5, new AbortController().signal);
    const done = publisher.acknowledged;
    if (done !== undefined) await mirror.write(done.position, done.sequence);
  }
}
