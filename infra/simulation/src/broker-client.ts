import { readEnvelope } from '@oo/contracts';
import type {
  ArrivedEvent,
  Deliveries,
  LiveFeed,
  LiveMessage,
  Relayed,
  WorkMessage,
  WorkQueue,
  WorkSource,
} from '@oo/event-sourcing';
import { STREAMS } from '@oo/event-sourcing';
import type { AckListener, Channel, Headers, Mirrored, Topic, TopicStanding } from '@oo/relay';
import { type Broker, type Message, type PublishAck, SILENCE } from './broker.js';
import { type Life, living } from './life.js';
import type { Network } from './network.js';
import type { Random } from './random.js';
import type { VirtualTime } from './virtual-time.js';

/** The broker as one process reaches it. */
export class BrokerClient implements Topic, WorkSource {
  /** Messages of one connection stay in their order. */
  #lastArrival = 0;
  #lastReply = 0;

  constructor(
    private readonly broker: Broker,
    private readonly time: VirtualTime,
    private readonly network: Network,
    private readonly life: Life,
  ) {}

  ensure(): Promise<void> {
    return this.#ask(() => {
      this.broker.ensure(STREAMS.events);
    });
  }

  standing(): Promise<TopicStanding | undefined> {
    return this.#ask(() => {
      const stream = this.broker.events;
      return stream && { created: stream.created, lastSequence: stream.lastSequence };
    });
  }

  last(): Promise<Relayed | undefined> {
    return this.#ask(() => {
      const last = this.broker.events?.messages.at(-1);
      return last?.position === undefined ? undefined : { position: last.position, sequence: last.sequence };
    });
  }

  readMirror(): Promise<Mirrored | undefined> {
    return this.#ask(() => this.broker.mirror);
  }

  writeMirror(checkpoint: Mirrored): Promise<void> {
    return this.#ask(() => {
      this.broker.mirror = checkpoint;
    });
  }

  unfinished(queue: WorkQueue): Promise<number | undefined> {
    return this.#ask(() =>
      this.broker.streams.has(queue.stream.name)
        ? this.broker.unfinished(this.broker.consumer(queue))
        : undefined,
    );
  }

  /** Publishes with an acknowledgement. @throws Error where no stream takes the subject */
  async publish(stream: string, subject: string, body: string, id: string): Promise<PublishAck> {
    const ack = await this.#ask(() => this.broker.publish(stream, subject, body, { id }));
    if (ack === undefined) throw new Error('no stream takes the subject');
    return ack === SILENCE ? new Promise(() => undefined) : ack;
  }

  has(stream: string): Promise<boolean> {
    return this.#ask(() => this.broker.streams.has(stream));
  }

  remake(): Promise<void> {
    return this.#ask(() => this.broker.remake());
  }

  deleteStream(name: string): Promise<void> {
    return this.#ask(() => this.broker.deleteStream(name));
  }

  open(listener: AckListener): Channel {
    let isOpen = true;
    const publish = (subject: string, body: Uint8Array, headers: Headers, sequence: number) => {
      const { faults } = this.network;
      if (!this.network.passes(this.life.name, 'broker') || Math.random() < faults.lost) return;
      this.#lastArrival = Math.max(this.#lastArrival, this.time.now + this.network.latency());
      this.time.schedule(this.#lastArrival - this.time.now, () => {
        if (!this.network.answers('broker')) return;
        const ack = this.broker.publishEvent(subject, new TextDecoder().decode(body), headers);
        if (ack === SILENCE) return;
        if (Math.random() < faults.unheard) return;
        this.#lastReply = Math.max(this.#lastReply, this.time.now + this.network.latency());
        const bytes = new TextEncoder().encode(ack === undefined ? '' : JSON.stringify(ack));
        this.time.schedule(
          this.#lastReply - this.time.now,
          () => {
            if (isOpen && this.network.passes(this.life.name, 'broker')) listener(null, sequence, bytes);
          },
          this.life,
        );
      });
    };
    return {
      maxPayload: 1_048_576,
      publish,
      close: () => {
        isOpen = false;
      },
    };
  }

  async deliveries(queue: WorkQueue): Promise<Deliveries> {
    await this.#ask(() => {
      this.broker.ensure(queue.stream);
      this.broker.consumer(queue);
    });
    return new Inbound(this.broker, queue, this.time, this.network, this.life);
  }

  #ask<T>(effect: () => T): Promise<T> {
    return this.network.reach(this.life, 'broker', effect, (reason) => new Error(reason));
  }
}

/** How often a consumer that waits looks whether its queue is still there. */
const LOOK_MS = 1_000;

/** Messages of a queue on their way to one process. */
class Inbound implements Deliveries {
  readonly #waiting: WorkMessage[] = [];
  #wake: (() => void) | undefined;
  #stopped = false;

  constructor(
    private readonly broker: Broker,
    private readonly queue: WorkQueue,
    private readonly time: VirtualTime,
    private readonly network: Network,
    private readonly life: Life,
  ) {
    const consumer = broker.consumer(queue);
    const hand = (message: Message) => this.#arrive(message);
    consumer.deliveries.add(hand);
    const look = () => {
      const isGone = broker.consumers.get(`${queue.stream.name}/${queue.durable}`) !== consumer;
      if (isGone || this.#stopped) {
        this.stop();
        consumer.deliveries.delete(hand);
      } else {
        broker.pump();
        this.time.schedule(LOOK_MS, look, life);
      }
    };
    life.death.catch(() => consumer.deliveries.delete(hand));
    this.time.schedule(0, look, life);
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WorkMessage> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) yield next;
      else if (this.#stopped) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  #arrive(message: Message): void {
    this.time.schedule(
      this.network.latency(),
      () => {
        if (this.#stopped || !this.network.passes(this.life.name, 'broker')) return;
        this.#waiting.push(this.#messageOf(message));
        this.#wake?.();
      },
      this.life,
    );
  }

  #messageOf({ sequence, subject, body }: Message): WorkMessage {
    const tell = (effect: (unacknowledged: Map<number, number>) => void) => {
      if (!this.network.passes(this.life.name, 'broker') || Math.random() < this.network.faults.lost) return;
      const stream = this.broker.streams.get(this.queue.stream.name);
      this.time.schedule(this.network.latency(), () => {
        // An acknowledgement counts for the stream that the message came from.
        if (stream !== undefined && stream === this.broker.streams.get(this.queue.stream.name)) {
          effect(this.broker.consumer(this.queue).unacknowledged);
        }
      });
    };
    return {
      subject,
      data: new TextEncoder().encode(body),
      ack: () => tell((unacknowledged) => unacknowledged.delete(sequence)),
      nak: () =>
        tell((unacknowledged) => {
          if (unacknowledged.has(sequence)) unacknowledged.set(sequence, Number.NEGATIVE_INFINITY);
        }),
      term: () => tell((unacknowledged) => unacknowledged.delete(sequence)),
      working: () =>
        tell((unacknowledged) => {
          if (unacknowledged.has(sequence)) unacknowledged.set(sequence, this.time.now);
        }),
    };
  }
}

/** How likely each fault is at a live message. */
export interface FeedFaults {
  readonly dropped: number;
  readonly doubled: number;
  readonly late: number;
}

/** What the broker tells one process of new events, from the moment on at which it began to listen. */
export class Feed implements LiveFeed {
  isLive = false;
  faults: () => FeedFaults = () => ({ dropped: 0, doubled: 0, late: 0 });
  readonly #listeners = new Set<(message: LiveMessage) => void>();
  #consumer = 0;
  #lastArrival = 0;

  constructor(
    broker: Broker,
    private readonly time: VirtualTime,
    private readonly network: Network,
    private readonly random: Random,
    private readonly life: Life,
    private readonly changed: (isLive: boolean) => void = () => undefined,
  ) {
    const forget = broker.listen((message) =>
      message === 'reset' ? this.#reset(broker) : this.#take(message),
    );
    life.death.catch(forget);
    this.#connect(broker);
  }

  subscribe(listener: (message: LiveMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #reset(broker: Broker): void {
    this.#set(false);
    this.#connect(broker);
  }

  #set(isLive: boolean): void {
    if (this.isLive === isLive) return;
    this.isLive = isLive;
    this.changed(isLive);
  }

  #connect(broker: Broker): void {
    const mine = ++this.#consumer;
    this.time.schedule(
      this.random.between(10, 600),
      () => {
        if (mine !== this.#consumer) return;
        if (broker.events !== undefined && this.network.passes(this.life.name, 'broker')) this.#set(true);
        else this.#connect(broker);
      },
      this.life,
    );
  }

  #take(message: Message): void {
    if (!this.isLive || !this.network.passes(this.life.name, 'broker')) return;
    const { dropped, late, doubled } = this.faults();
    if (this.random.chance(dropped)) return;
    const live = liveOf(message, `${this.#consumer}`);
    const arrive = (delay: number) => this.time.schedule(delay, () => this.#tell(live), this.life);
    if (this.random.chance(late)) arrive(this.random.between(0, 800));
    else {
      this.#lastArrival = Math.max(this.#lastArrival, this.time.now + this.network.latency());
      arrive(this.#lastArrival - this.time.now);
    }
    if (this.random.chance(doubled)) arrive(this.random.between(0, 800));
  }

  #tell(message: LiveMessage): void {
    living.run(this.life, () => {
      for (const listener of this.#listeners) listener(message);
    });
  }
}

function liveOf({ sequence, body }: Message, consumer: string): LiveMessage {
  const { id, type, stream, revision, position } = readEnvelope(JSON.parse(body));
  const { data, metadata } = JSON.parse(body) as { data: unknown; metadata: unknown };
  const event: ArrivedEvent = { id, type, stream, revision, position, data, metadata };
  return { consumer, sequence, position, event };
}
