import type { MsgHdrs } from '@nats-io/transport-node';
import { delay } from '../clock/timing.js';
import { figures } from '../telemetry/figures.js';
import { inSpan, traceparentIn } from '../telemetry/tracing.js';
import type { StreamDefinition } from './streams.js';

/** A message of a queue. */
export interface WorkMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs | undefined;
  ack(): void;
  /** It was not handled, and may be delivered to another at once. */
  nak(): void;
  /** It is not to be delivered again. */
  term(reason: string): void;
  /** It is being worked on still. */
  working(): void;
}

/** Messages as they are delivered; ends, or throws, when the queue has vanished. */
export interface Deliveries extends AsyncIterable<WorkMessage> {
  stop(): void;
}

/** Where the work of a queue comes from: JetStream, or a simulation's broker. */
export interface WorkSource {
  /** Makes stream and consumer where they are missing, and begins to deliver. */
  deliveries(queue: WorkQueue): Promise<Deliveries>;
  /** Messages that wait or are in hand; undefined where the queue is not there. */
  unfinished(queue: WorkQueue): Promise<number | undefined>;
}

/** Messages of a stream that are each handled once by one of the instances, in order within a lane. */
export interface WorkQueue {
  readonly stream: StreamDefinition;
  /** Name of the durable consumer; instances with the same name share the work. */
  readonly durable: string;
  /** What of the stream is work; all of it by default. */
  readonly subjects?: readonly string[];
  readonly lane: (message: WorkMessage) => string;
  /**
   * Does the work. What throws is tried again, the lane waiting; {@link Poison} ends the message at once.
   */
  readonly handle: (message: WorkMessage) => Promise<void>;
}

/** A message that can never be handled. */
export class Poison extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'Poison';
  }
}

export type WorkReport =
  | { readonly kind: 'retried'; readonly subject: string; readonly attempt: number; readonly error: unknown }
  | { readonly kind: 'terminated'; readonly subject: string; readonly error: unknown }
  | { readonly kind: 'interrupted'; readonly error: unknown };

/**
 * For so long the broker leaves a message with who has it, and hears nothing; then another gets it. This is how late the
 * work of an instance that was killed is.
 */
export const ACK_WAIT_MS = 5_000;
/** So often the broker hears of what is in hand; two words may be lost. */
const HOLD_EVERY_MS = ACK_WAIT_MS / 4;

const MOST_ATTEMPTS = 8;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Works through a queue until `signal` is aborted; then waits for what is in hand. Stream and consumer are made when
 * they are missing, also while it runs. A message that failed {@link MOST_ATTEMPTS} times is ended and reported, so
 * that it holds nobody up; connections that are down are not the message's failure and are waited for.
 * @param isDown tells an error of a connection from one of the message
 */
export class Worker {
  readonly #lanes = new Map<string, Promise<void>>();
  /** What was delivered and is not ended, also what waits in its lane. */
  readonly #inHand = new Set<WorkMessage>();
  #isFollowing = false;

  constructor(
    private readonly source: WorkSource,
    private readonly queue: WorkQueue,
    private readonly isDown: (error: unknown) => boolean,
    private readonly report: (report: WorkReport) => void,
  ) {}

  /** True while the queue delivers to it. */
  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  async run(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const holding = this.#hold(over.signal);
    while (!signal.aborted) {
      try {
        await this.#consume(signal);
      } catch (error) {
        if (!signal.aborted) {
          this.report({ kind: 'interrupted', error });
          await delay(500, signal);
        }
      }
    }
    await Promise.all(this.#lanes.values());
    over.abort();
    await holding;
  }

  /** True when nothing waits to be handled and nothing is in hand, by the broker's word. */
  async isDrained(): Promise<boolean> {
    return (await this.source.unfinished(this.queue)) === 0;
  }

  async #consume(signal: AbortSignal): Promise<void> {
    const messages = await this.source.deliveries(this.queue);
    const stop = () => messages.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (signal.aborted) return;
      this.#isFollowing = true;
      for await (const message of messages) this.#enter(message, signal);
    } finally {
      this.#isFollowing = false;
      signal.removeEventListener('abort', stop);
      messages.stop();
    }
  }

  /** Keeps what is in hand from being delivered to another, until all of it is ended. */
  async #hold(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await delay(HOLD_EVERY_MS, over);
      for (const message of this.#inHand) message.working();
    }
  }

  #enter(message: WorkMessage, signal: AbortSignal): void {
    this.#inHand.add(message);
    const lane = this.queue.lane(message);
    const before = this.#lanes.get(lane);
    const mine = (before ?? Promise.resolve()).then(() => this.#handle(message, signal));
    this.#lanes.set(lane, mine);
    mine.then(() => {
      this.#inHand.delete(message);
      if (this.#lanes.get(lane) === mine) this.#lanes.delete(lane);
    });
  }

  async #handle(message: WorkMessage, signal: AbortSignal): Promise<void> {
    const { subject } = message;
    for (let attempt = 1; !signal.aborted; ) {
      try {
        const about = { kind: 'consumer', parent: traceparentIn(message) } as const;
        await inSpan(`handle ${this.queue.durable}`, about, () => this.queue.handle(message));
        message.ack();
        return;
      } catch (error) {
        if (error instanceof Poison || attempt >= MOST_ATTEMPTS) {
          message.term(error instanceof Error ? error.name : 'failed');
          figures.add('oo.consumer.given.up', { consumer: this.queue.durable });
          this.report({ kind: 'terminated', subject, error });
          return;
        }
        figures.add('oo.consumer.retries', { consumer: this.queue.durable });
        this.report({ kind: 'retried', subject, attempt, error });
        if (!this.isDown(error)) attempt++;
        await delay(Math.min(100 * 2 ** attempt, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2), signal);
      }
    }
    message.nak();
  }
}
