import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Lag } from '../event-store/lag.js';
import { ensureConsumer, ensureStream, isMissing } from './streams.js';
import type { Deliveries, WorkQueue, WorkSource } from './work-queue.js';

const ACK_WAIT_NS = 30_000_000_000;
/** How long until the loss of the broker's consumer is noticed. */
const EXPIRES_MS = 5_000;

/** Durable pull consumers of JetStream. */
export class JetStreamWork implements WorkSource {
  constructor(private readonly nats: NatsConnection) {}

  async deliveries({ stream, durable, subjects }: WorkQueue): Promise<Deliveries> {
    const jsm = await jetstreamManager(this.nats);
    await ensureStream(jsm, stream);
    await ensureConsumer(jsm, stream.name, durable, {
      ack_policy: AckPolicy.Explicit,
      ack_wait: ACK_WAIT_NS,
      deliver_policy: DeliverPolicy.All,
      max_deliver: -1,
      ...(subjects === undefined ? {} : { filter_subjects: [...subjects] }),
    });
    const consumer = await jsm.jetstream().consumers.get(stream.name, durable);
    return consumer.consume({ expires: EXPIRES_MS, abort_on_missing_resource: true });
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
