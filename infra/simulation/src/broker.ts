import { EVENTS_STREAM, HEADER_POSITION } from '@oo/contracts';
import { ACK_WAIT_MS, type StreamDefinition, type WorkQueue } from '@oo/event-sourcing';
import type { Headers, Mirrored } from '@oo/relay';
import type { Random } from './random.js';
import type { VirtualTime } from './virtual-time.js';

/** A message that a stream holds. */
export interface Message {
  readonly sequence: number;
  readonly subject: string;
  readonly body: string;
  readonly id: string;
  /** `Oo-Position`; undefined for what is no event. */
  readonly position: bigint | undefined;
}

export interface Stream {
  readonly name: string;
  /** Another one for a stream that was made again. */
  readonly created: string;
  lastSequence: number;
  /** What the last message was called, also where it is no longer there; empty where that is not known. */
  lastId: string;
  /** nats-server stores nothing more in a stream after a write that failed, until it is started again. */
  isBroken: boolean;
  messages: Message[];
  readonly ids: Map<string, { readonly sequence: number; readonly at: number }>;
}

/** A durable consumer: what it has still to be told, and what it was told and has not acknowledged. */
export interface Consumer {
  readonly queue: WorkQueue;
  next: number;
  readonly unacknowledged: Map<number, number>;
  readonly deliveries: Set<(message: Message) => void>;
}

export type PublishAck =
  | { readonly seq: number; readonly duplicate?: true }
  | { readonly error: { readonly description: string; readonly err_code: number } };

/** What nats-server answers where it could not write: nothing. */
export const SILENCE = Symbol('no answer');

const DUPLICATE_WINDOW_MS = 120_000;

/** JetStream as it must be expected: at least once, with acknowledged messages that may be gone later. */
export class Broker {
  readonly streams = new Map<string, Stream>();
  readonly consumers = new Map<string, Consumer>();
  mirror: Mirrored | undefined;
  /** The disk is full: nothing new is stored. */
  isFull = false;
  #backup: { stream: Stream; mirror: Mirrored | undefined } | undefined;
  readonly #feeds = new Set<(message: Message | 'reset') => void>();

  /** @param stored told of what a stream takes in, with what it had before */
  constructor(
    private readonly time: VirtualTime,
    private readonly random: Random,
    private readonly stored: (stream: Stream, message: Message, before: Message | undefined) => void,
  ) {}

  get events(): Stream | undefined {
    return this.streams.get(EVENTS_STREAM);
  }

  ensure({ name }: Pick<StreamDefinition, 'name'>): Stream {
    const existing = this.streams.get(name);
    if (existing !== undefined) return existing;
    const created = `${name} ${this.time.now} ${this.random.below(1e9)}`;
    const stream: Stream = {
      name,
      created,
      lastSequence: 0,
      lastId: '',
      isBroken: false,
      messages: [],
      ids: new Map(),
    };
    this.streams.set(name, stream);
    return stream;
  }

  /** In the order in which nats-server looks: the id first, then the expected sequence. */
  publish(
    name: string,
    subject: string,
    body: string,
    {
      id,
      expectedLast,
      expectedLastId = '',
      position,
    }: { id: string; expectedLast?: number; expectedLastId?: string; position?: bigint },
  ): PublishAck | typeof SILENCE | undefined {
    const stream = this.streams.get(name);
    if (stream === undefined) return undefined;
    const known = stream.ids.get(id);
    if (known !== undefined && this.time.now - known.at < DUPLICATE_WINDOW_MS) {
      return { seq: known.sequence, duplicate: true };
    }
    if (expectedLastId !== '' && expectedLastId !== stream.lastId) {
      return { error: { description: `wrong last msg ID: ${stream.lastId}`, err_code: 10070 } };
    }
    if (expectedLast !== undefined && expectedLast !== stream.lastSequence) {
      return { error: { description: `wrong last sequence: ${stream.lastSequence}`, err_code: 10071 } };
    }
    if (this.isFull) stream.isBroken = true;
    if (stream.isBroken) return SILENCE;
    const before = stream.messages.at(-1);
    const sequence = ++stream.lastSequence;
    const message: Message = { sequence, subject, body, id, position };
    stream.messages.push(message);
    stream.lastId = id;
    stream.ids.set(id, { sequence, at: this.time.now });
    this.stored(stream, message, before);
    if (name === EVENTS_STREAM) for (const feed of this.#feeds) feed(message);
    this.pump();
    return { seq: sequence };
  }

  publishEvent(subject: string, body: string, headers: Headers): ReturnType<Broker['publish']> {
    const expected = headers.get('Nats-Expected-Last-Sequence');
    return this.publish(EVENTS_STREAM, subject, body, {
      id: headers.get('Nats-Msg-Id') ?? '',
      expectedLastId: headers.get('Nats-Expected-Last-Msg-Id') ?? '',
      position: BigInt(headers.get(HEADER_POSITION) ?? 0),
      ...(expected === undefined ? {} : { expectedLast: Number(expected) }),
    });
  }

  /** @returns ends it */
  listen(feed: (message: Message | 'reset') => void): () => void {
    this.#feeds.add(feed);
    return () => this.#feeds.delete(feed);
  }

  /** @throws Error where its stream is gone: there is no consumer of nothing */
  consumer(queue: WorkQueue): Consumer {
    if (!this.streams.has(queue.stream.name)) throw new Error(`there is no stream ${queue.stream.name}`);
    const key = `${queue.stream.name}/${queue.durable}`;
    const existing = this.consumers.get(key);
    if (existing !== undefined) return existing;
    const consumer: Consumer = { queue, next: 1, unacknowledged: new Map(), deliveries: new Set() };
    this.consumers.set(key, consumer);
    return consumer;
  }

  unfinished({ queue, next, unacknowledged }: Consumer): number {
    const stream = this.streams.get(queue.stream.name);
    const waiting = stream?.messages.filter(
      ({ sequence, subject }) => sequence >= next && isWanted(queue, subject),
    );
    return (waiting?.length ?? 0) + unacknowledged.size;
  }

  /** Hands out what waits, and once more what was not acknowledged in time. */
  pump(): void {
    for (const consumer of this.consumers.values()) {
      const stream = this.streams.get(consumer.queue.stream.name);
      if (stream === undefined || consumer.deliveries.size === 0) continue;
      for (const [sequence, at] of consumer.unacknowledged) {
        if (at + ACK_WAIT_MS > this.time.now) continue;
        const message = stream.messages.find((one) => one.sequence === sequence);
        if (message === undefined) consumer.unacknowledged.delete(sequence);
        else this.#hand(consumer, message);
      }
      for (const message of stream.messages) {
        if (message.sequence < consumer.next) continue;
        consumer.next = message.sequence + 1;
        if (isWanted(consumer.queue, message.subject)) this.#hand(consumer, message);
      }
    }
  }

  // What may happen to what it keeps.

  remake(): void {
    for (const name of [...this.streams.keys()]) this.deleteStream(name);
    this.mirror = undefined;
    this.ensure({ name: EVENTS_STREAM });
  }

  deleteStream(name: string): void {
    this.streams.delete(name);
    for (const [key, { queue }] of this.consumers) if (queue.stream.name === name) this.consumers.delete(key);
    if (name === EVENTS_STREAM) this.reset();
  }

  deleteConsumers(): void {
    this.consumers.clear();
  }

  /** Retention or an operator: some, or all, of the oldest messages go. */
  purge(stream: Stream, keep: number): void {
    stream.messages = keep === 0 ? [] : stream.messages.slice(-keep);
  }

  /** A failover to a replica that had not heard of the last acknowledged messages. */
  loseLast(stream: Stream, count: number): void {
    const lost = stream.messages.splice(Math.max(0, stream.messages.length - count));
    const [first] = lost;
    if (first === undefined) return;
    stream.lastSequence = first.sequence - 1;
    stream.lastId = stream.messages.at(-1)?.id ?? '';
    for (const { id } of lost) stream.ids.delete(id);
    for (const consumer of this.consumers.values()) {
      if (consumer.queue.stream.name !== stream.name) continue;
      consumer.next = Math.min(consumer.next, first.sequence);
      for (const { sequence } of lost) consumer.unacknowledged.delete(sequence);
    }
    if (stream.name === EVENTS_STREAM) this.reset();
  }

  backUp(): void {
    const { events } = this;
    if (events === undefined) return;
    const stream = { ...events, messages: [...events.messages], ids: new Map<string, never>() };
    this.#backup = { stream, mirror: this.mirror };
  }

  /** @param withMirror whether the bucket comes of the same backup, or stays as it is */
  restore(withMirror: boolean): void {
    if (this.#backup === undefined) return;
    const { stream, mirror } = this.#backup;
    this.deleteStream(EVENTS_STREAM);
    // The window of duplicates is kept in memory and made anew from the newest messages.
    this.streams.set(EVENTS_STREAM, { ...stream, messages: [...stream.messages], ids: new Map() });
    if (withMirror) this.mirror = mirror;
    this.reset();
  }

  /** Live consumers are gone and have to be made again. */
  reset(): void {
    for (const feed of this.#feeds) feed('reset');
  }

  #hand(consumer: Consumer, message: Message): void {
    consumer.unacknowledged.set(message.sequence, this.time.now);
    this.random.pick([...consumer.deliveries])(message);
  }
}

/** Filters as the queues use them: `*` for a token, `>` for the rest. */
function isWanted({ subjects }: WorkQueue, subject: string): boolean {
  const tokens = subject.split('.');
  return (
    subjects === undefined ||
    subjects.some((filter) => {
      const wanted = filter.split('.');
      return (
        (wanted.at(-1) === '>' || wanted.length === tokens.length) &&
        wanted.every((token, index) => token === '*' || token === '>' || token === tokens[index])
      );
    })
  );
}
