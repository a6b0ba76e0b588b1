import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
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
