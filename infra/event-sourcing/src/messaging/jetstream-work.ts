import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamManager,
  jetstreamManager,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/transport-node';
import type { Lag } from '../event-store/lag.js';
import { onReturn } from './connect.js';
import { ensureConsumer, ensureStream, isMissing, isUnable } from './streams.js';
import { ACK_WAIT_MS, type Deliveries, type WorkQueue, type WorkSource } from './work-queue.js';

/** How long until the loss of the broker's consumer is noticed. */
const EXPIRES_MS = 5_000;

/**
 * Ends deliveries when the broker sends no heartbeat: it is silent about a consumer that it cannot read, and the client
 * would go on asking for its messages for ever.
 */
async function endWithSilence(messages: ConsumerMessages): Promise<void> {
  for await (const { type } of messages.status()) if (type === 'heartbeats_missed') messages.stop();
}

/** For so long the broker may be unable to give a consumer; then its stream is deleted, and made anew. */
const REMAKE_AFTER_MS = 5_000;

/** Durable pull consumers of JetStream. */
export class JetStreamWork implements WorkSource {
  /** Since when there is no consumer to be had, by name. */
  readonly #unableSince = new Map<string, number>();

  readonly #delivering = new Set<ConsumerMessages>();

  constructor(private readonly nats: NatsConnection) {
    void onReturn(nats, () => {
      for (const messages of this.#delivering) messages.stop();
    });
  }

  async deliveries({ stream, durable, subjects }: WorkQueue): Promise<Deliveries> {
    const jsm = await jetstreamManager(this.nats);
    try {
      await ensureStream(jsm, stream);
      await ensureConsumer(jsm, stream.name, durable, {
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(ACK_WAIT_MS),
        deliver_policy: DeliverPolicy.All,
        max_deliver: -1,
        ...(subjects === undefined ? {} : { filter_subjects: [...subjects] }),
      });
    } catch (error) {
      await this.#remakeIfUnable(jsm, stream.name, durable, error);
      throw error;
    }
    this.#unableSince.delete(durable);
    const consumer = await jsm.jetstream().consumers.get(stream.name, durable);
    const messages = await consumer.consume({ expires: EXPIRES_MS, abort_on_missing_resource: true });
    this.#delivering.add(messages);
    void messages.closed().finally(() => this.#delivering.delete(messages));
    void endWithSilence(messages);
    return messages;
  }

  /** Nothing in a stream is the only copy; what stood there is published again. */
  async #remakeIfUnable(
    jsm: JetStreamManager,
    stream: string,
    durable: string,
    error: unknown,
  ): Promise<void> {
    if (!isUnable(error)) return;
    const now = performance.now();
    const since = this.#unableSince.get(durable) ?? now;
    this.#unableSince.set(durable, since);
    if (now - since < REMAKE_AFTER_MS) return;
    this.#unableSince.delete(durable);
    await jsm.streams.delete(stream);
  }

  /** Messages that wait or are in hand, by the broker's word, and how old the oldest of them is. */
  async lag({ stream, durable, subjects = ['>'] }: WorkQueue, now: number): Promise<Lag> {
    const jsm = await jetstreamManager(this.nats);
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

  async unfinished({ stream, durable }: WorkQueue): Promise<number | undefined> {
    try {
      const jsm = await jetstreamManager(this.nats);
      const info = await jsm.consumers.info(stream.name, durable);
      return info.num_pending + info.num_ack_pending;
    } catch (error) {
      // It is made again by then, and has everything before it.
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}
