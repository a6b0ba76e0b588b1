import {
  AckPolicy,
  DeliverPolicy,
  type JetStreamManager,
  type JsMsg,
  jetstreamManager,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Lag } from '../event-store/lag.js';
import { delay } from '../projections/live-feed.js';
import { figures } from '../telemetry/figures.js';
import { inSpan, traceparentIn } from '../telemetry/tracing.js';
import { ensureConsumer, ensureStream, isMissing, type StreamDefinition } from './streams.js';

/** Messages of a stream that are each handled once by one of the instances, in order within a lane. */
export interface WorkQueue {
  readonly stream: StreamDefinition;
  /** Name of the durable consumer; instances with the same name share the work. */
  readonly durable: string;
  /** What of the stream is work; all of it by default. */
  readonly subjects?: readonly string[];
  readonly lane: (message: JsMsg) => string;
  /**
   * Does the work. What throws is tried again, the lane waiting; {@link Poison} ends the message at once.
   */
  readonly handle: (message: JsMsg) => Promise<void>;
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

const ACK_WAIT_NS = 30_000_000_000;
const MOST_ATTEMPTS = 8;
const LONGEST_PAUSE_MS = 5_000;
/** How long until the loss of the broker's consumer is noticed. */
const EXPIRES_MS = 5_000;

/**
 * Works through a queue until `signal` is aborted; then waits for what is in hand. Stream and consumer are made when
 * they are missing, also while it runs. A message that failed {@link MOST_ATTEMPTS} times is ended and reported, so
 * that it holds nobody up; connections that are down are not the message's failure and are waited for.
 * @param isDown tells an error of a connection from one of the message
 */
export class Worker {
  readonly #lanes = new Map<string, Promise<void>>();
  #jsm: JetStreamManager | undefined;

  constructor(
    private readonly nats: NatsConnection,
    private readonly queue: WorkQueue,
    private readonly isDown: (error: unknown) => boolean,
    private readonly report: (report: WorkReport) => void,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
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
  }

  /** Messages that wait or are in hand, by the broker's word, and how old the oldest of them is. */
  async lag(now: number): Promise<Lag> {
    const { stream, durable, subjects = ['>'] } = this.queue;
    const jsm = this.#jsm;
    if (jsm === undefined) return { events: 0, seconds: 0 };
    const info = await jsm.consumers.info(stream.name, durable);
    const events = info.num_pending + info.num_ack_pending;
    if (events === 0) return { events: 0, seconds: 0 };
    const seq = info.ack_floor.stream_seq + 1;
    const oldest = await Promise.all(
      subjects.map((subject) => jsm.direct.getMessage(stream.name, { seq, next_by_subj: subject })),
    );
    const since = oldest.flatMap((message) => (message === null ? [] : [message.time.getTime()]));
    return { events, seconds: since.length === 0 ? 0 : Math.max(0, (now - Math.min(...since)) / 1000) };
  }

  /** True when nothing waits to be handled and nothing is in hand, by the broker's word. */
  async isDrained(): Promise<boolean> {
    if (this.#jsm === undefined) return false;
    try {
      const info = await this.#jsm.consumers.info(this.queue.stream.name, this.queue.durable);
      return info.num_pending === 0 && info.num_ack_pending === 0;
    } catch (error) {
      // It is made again by then, and has everything before it.
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async #consume(signal: AbortSignal): Promise<void> {
    const { stream, durable, subjects } = this.queue;
    const jsm = await jetstreamManager(this.nats);
    await ensureStream(jsm, stream);
    await ensureConsumer(jsm, stream.name, durable, {
      ack_policy: AckPolicy.Explicit,
      ack_wait: ACK_WAIT_NS,
      deliver_policy: DeliverPolicy.All,
      max_deliver: -1,
      ...(subjects === undefined ? {} : { filter_subjects: [...subjects] }),
    });
    this.#jsm = jsm;
    const consumer = await jsm.jetstream().consumers.get(stream.name, durable);
    const messages = await consumer.consume({ expires: EXPIRES_MS, abort_on_missing_resource: true });
    const stop = () => messages.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (signal.aborted) return;
      for await (const message of messages) this.#enter(message, signal);
    } finally {
      signal.removeEventListener('abort', stop);
      messages.stop();
    }
  }

  #enter(message: JsMsg, signal: AbortSignal): void {
    const lane = this.queue.lane(message);
    const before = this.#lanes.get(lane);
    const mine = (before ?? Promise.resolve()).then(() => this.#handle(message, signal));
    this.#lanes.set(lane, mine);
    mine.then(() => {
      if (this.#lanes.get(lane) === mine) this.#lanes.delete(lane);
    });
  }

  async #handle(message: JsMsg, signal: AbortSignal): Promise<void> {
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
        message.working();
      }
    }
  }
}
