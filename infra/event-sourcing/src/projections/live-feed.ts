import { type ConsumerMessages, DeliverPolicy, type JsMsg, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { EVENTS_STREAM, HEADER_POSITION } from '@oo/contracts';
import { z } from 'zod';
import { delay } from '../clock/timing.js';
import { onReturn } from '../messaging/connect.js';
import { isStreamNotFound } from '../messaging/streams.js';
import type { ArrivedEvent } from './history.js';

/** A message of the broker. It follows the one before directly where the consumer is the same and `sequence` is one more. */
export interface LiveMessage {
  readonly consumer: string;
  readonly sequence: number;
  readonly position: bigint;
  readonly event: ArrivedEvent;
}

/** Where events come from as they happen. */
export interface LiveFeed {
  /** False while nothing can arrive: the store is then looked into more often. */
  readonly isLive: boolean;
  /** @returns ends the subscription */
  subscribe(listener: (message: LiveMessage) => void): () => void;
}

const envelope = z.object({
  id: z.string(),
  type: z.string(),
  stream: z.string(),
  revision: z.string().regex(/^\d+$/).transform(BigInt),
  position: z.string().regex(/^\d+$/).transform(BigInt),
  data: z.unknown(),
  metadata: z.unknown(),
});

const RETRY_MS = 250;

/**
 * Everything that is relayed, from now on, through an ordered consumer of `OO_EVENTS`. It comes unfiltered, so that
 * sequence numbers without a hole prove that nothing was left out; the events of others are small change beside the
 * rows that a worker writes. One feed serves all projections of a process. A stream that is missing or was made anew
 * is tried again until it is there; what went by meanwhile is the store's to give.
 */
export class JetStreamFeed implements LiveFeed {
  readonly #listeners = new Set<(message: LiveMessage) => void>();
  #messages: ConsumerMessages | undefined;
  #consumers = 0;

  /** @param failed told of what went wrong; the feed goes on */
  constructor(
    private readonly nats: NatsConnection,
    private readonly failed: (error: unknown) => void,
  ) {}

  get isLive(): boolean {
    return this.#messages !== undefined;
  }

  subscribe(listener: (message: LiveMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Runs until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#messages?.stop();
    void onReturn(this.nats, stop);
    signal.addEventListener('abort', stop, { once: true });
    let reported = '';
    while (!signal.aborted) {
      try {
        await this.#consume(signal, () => {
          reported = '';
        });
      } catch (error) {
        // A stream that nobody has made yet is how every first start looks.
        const reason = String(error);
        if (reason !== reported && !isStreamNotFound(error)) this.failed(error);
        reported = reason;
      } finally {
        this.#messages = undefined;
      }
      if (!signal.aborted) await delay(RETRY_MS, signal);
    }
    signal.removeEventListener('abort', stop);
  }

  async #consume(signal: AbortSignal, connected: () => void): Promise<void> {
    const consumer = await jetstream(this.nats).consumers.get(EVENTS_STREAM, {
      deliver_policy: DeliverPolicy.New,
      inactive_threshold: 60_000,
    });
    // Two heartbeats missed end it: after at most 5 s a consumer that has vanished is made anew.
    const messages = await consumer.consume({
      max_messages: 1000,
      expires: 5_000,
      idle_heartbeat: 1_000,
      abort_on_missing_resource: true,
    });
    if (signal.aborted) return messages.stop();
    this.#messages = messages;
    this.#consumers++;
    connected();
    for await (const message of messages) this.#deliver(message);
  }

  #deliver(message: JsMsg): void {
    const live = this.#read(message);
    // What cannot be read leaves a hole in the sequence, and holes are filled from the store.
    if (live === undefined) return;
    for (const listener of this.#listeners) listener(live);
  }

  #read(message: JsMsg): LiveMessage | undefined {
    try {
      const event = envelope.parse(message.json());
      const header = message.headers?.get(HEADER_POSITION);
      if (header !== undefined && header !== '' && BigInt(header) !== event.position) {
        throw new Error(`${HEADER_POSITION} says ${header}, the event ${event.position}`);
      }
      const { consumer, streamSequence } = message.info;
      return {
        consumer: `${this.#consumers}/${consumer}`,
        sequence: streamSequence,
        position: event.position,
        event,
      };
    } catch (error) {
      this.failed(new Error(`message ${message.seq} of ${EVENTS_STREAM} is not an event`, { cause: error }));
      return undefined;
    }
  }
}
