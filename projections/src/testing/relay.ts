import { type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { eventSubject, HEADER_POSITION, HEADER_REVISION } from '@oo/contracts';
import { type EventStore, ensureStream, envelopeOf, STREAMS, type StoredEvent } from '@oo/event-sourcing';

/** A relay whose every step a test decides. */
export class TestRelay {
  readonly #client: JetStreamClient;

  constructor(
    private readonly nats: NatsConnection,
    private readonly store: EventStore,
  ) {
    this.#client = jetstream(nats);
  }

  async makeStream(): Promise<void> {
    await ensureStream(await jetstreamManager(this.nats), STREAMS.events);
  }

  async deleteStream(): Promise<void> {
    await (await jetstreamManager(this.nats)).streams.delete(STREAMS.events.name);
  }

  /** Publishes what the store has behind a position, but for the events that `skip` names. */
  async publishAfter(
    position: bigint | undefined,
    skip: (event: StoredEvent) => boolean = () => false,
  ): Promise<void> {
    for await (const page of this.store.readAll(position)) {
      for (const event of page) if (!skip(event)) await this.publish(event);
    }
  }

  async publish(event: StoredEvent): Promise<void> {
    const about = headers();
    about.set(HEADER_POSITION, String(event.position));
    about.set(HEADER_REVISION, String(event.revision));
    const subject = eventSubject(event.stream, event.type);
    if (subject === undefined) throw new Error(`${event.stream} is not a stream of oO`);
    await this.#client.publish(subject, JSON.stringify(envelopeOf(event)), { headers: about });
  }
}
