import type { Message } from './message.js';
import { recordOf } from './message.js';
import type { ConsumerStrategyName } from './settings.js';

/** Where a consumer's messages go. */
export interface ConsumerSink {
  deliver(message: Message): void;
  dropped(): void;
  failed(error: unknown): void;
  /** Whether more can be taken now: a consumer that does not read is sent no more, whatever it asked for. */
  readonly room: boolean;
}

/** One connection that takes messages, and what it has not answered yet. */
export class Consumer {
  readonly inFlight = new Map<string, Message>();
  slots: number;
  total = 0;
  totalAtLastMeasurement = 0;
  readonly statistics: Latencies | undefined;

  constructor(
    readonly sink: ConsumerSink,
    readonly bufferSize: number,
    readonly user: string,
    readonly connectionName: string,
    readonly from: string,
    extraStatistics: boolean,
  ) {
    this.slots = bufferSize;
    this.statistics = extraStatistics ? new Latencies() : undefined;
  }

  get isFree(): boolean {
    return this.slots > 0 && this.sink.room;
  }

  send(message: Message): boolean {
    if (!this.isFree) return false;
    this.slots--;
    this.total++;
    this.inFlight.set(message.id, message);
    this.statistics?.start(message.id);
    this.sink.deliver(message);
    return true;
  }

  /** Gives the slot of a message back; false when it was not this consumer's. */
  confirm(id: string): boolean {
    if (!this.inFlight.delete(id)) return false;
    this.statistics?.end(id);
    this.slots++;
    return true;
  }
}

/** How long consumers took for their last thousand messages, in whole milliseconds. */
export class Latencies {
  private readonly started = new Map<string, number>();
  private readonly taken: number[] = [];

  start(id: string): void {
    this.started.set(id, performance.now());
  }

  end(id: string): void {
    const start = this.started.get(id);
    if (start === undefined) return;
    this.started.delete(id);
    if (this.taken.length >= 1000) this.taken.shift();
    this.taken.push(Math.floor(performance.now() - start));
  }

  measurements(): (readonly [string, number])[] {
    if (this.taken.length === 0) return [];
    const sorted = this.taken.toSorted((a, b) => a - b);
    const at = (percent: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor((percent / 100) * sorted.length))] ?? 0;
    const sum = sorted.reduce((total, value) => total + value, 0);
    return [
      ['Mean', Math.floor(sum / sorted.length)],
      ['Median', sorted[sorted.length >> 1] ?? 0],
      ['Fastest', sorted[0] ?? 0],
      ...[1, 2, 3, 4, 5].map((n) => [`Quintile ${n}`, at((n - 1) * 20)] as const),
      ...[90, 95, 99, 99.5, 99.9].map((percent) => [`${percent}%`, at(percent)] as const),
      ['Highest', sorted[sorted.length - 1] ?? 0],
    ];
  }
}

/** `skipped`: this message has to wait for its own consumer, others may go on. */
export type Dispatched = 'sent' | 'skipped' | 'full';

/** Chooses the consumer of each message. */
export interface ConsumerStrategy {
  add(consumer: Consumer): void;
  remove(consumer: Consumer): void;
  dispatch(message: Message): Dispatched;
}

/** Each in turn, those without room left out. */
class RoundRobin implements ConsumerStrategy {
  protected consumers: Consumer[] = [];

  add(consumer: Consumer): void {
    this.consumers.push(consumer);
  }

  remove(consumer: Consumer): void {
    this.consumers = this.consumers.filter((other) => other !== consumer);
  }

  dispatch(message: Message): Dispatched {
    for (let n = 0; n < this.consumers.length; n++) {
      const consumer = this.consumers.shift();
      if (consumer === undefined) break;
      this.consumers.push(consumer);
      if (consumer.send(message)) return 'sent';
    }
    return 'full';
  }
}

/** The first one until it has no room, then the next. */
class DispatchToSingle extends RoundRobin {
  override dispatch(message: Message): Dispatched {
    for (let n = 0; n < this.consumers.length; n++) {
      const consumer = this.consumers[0];
      if (consumer === undefined) break;
      if (consumer.send(message)) return 'sent';
      this.consumers.shift();
      this.consumers.push(consumer);
    }
    return 'full';
  }
}

const BUCKETS = 1024;

/** All messages with one key to one consumer, as long as it is there. */
class Pinned implements ConsumerStrategy {
  private readonly consumers: Consumer[] = [];
  private readonly buckets = new Array<Consumer | undefined>(BUCKETS).fill(undefined);

  constructor(private readonly keyOfMessage: (message: Message) => string) {}

  add(consumer: Consumer): void {
    this.consumers.push(consumer);
    // A newcomer takes its share of the buckets over from those who have more, where nothing is in flight.
    const share = Math.floor(BUCKETS / this.consumers.length);
    const owned = new Map<Consumer, number>();
    for (const owner of this.buckets) if (owner !== undefined) owned.set(owner, (owned.get(owner) ?? 0) + 1);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const owner = this.buckets[bucket];
      if (owner === undefined || (owned.get(owner) ?? 0) <= share || this.isBusy(owner, bucket)) continue;
      owned.set(owner, (owned.get(owner) ?? 0) - 1);
      this.buckets[bucket] = undefined;
    }
  }

  private isBusy(owner: Consumer, bucket: number): boolean {
    for (const message of owner.inFlight.values()) if (this.bucketOf(message) === bucket) return true;
    return false;
  }

  remove(consumer: Consumer): void {
    const at = this.consumers.indexOf(consumer);
    if (at >= 0) this.consumers.splice(at, 1);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (this.buckets[bucket] === consumer) this.buckets[bucket] = undefined;
    }
  }

  dispatch(message: Message): Dispatched {
    if (!this.consumers.some((consumer) => consumer.isFree)) return 'full';
    const bucket = this.bucketOf(message);
    const owner = this.buckets[bucket] ?? this.assign(bucket);
    return owner.send(message) ? 'sent' : 'skipped';
  }

  /** To the consumer with the fewest buckets. */
  private assign(bucket: number): Consumer {
    const owned = new Map<Consumer, number>(this.consumers.map((consumer) => [consumer, 0]));
    for (const owner of this.buckets) if (owner !== undefined) owned.set(owner, (owned.get(owner) ?? 0) + 1);
    let chosen: Consumer | undefined;
    for (const consumer of this.consumers) {
      if (chosen === undefined || (owned.get(consumer) ?? 0) < (owned.get(chosen) ?? 0)) chosen = consumer;
    }
    if (chosen === undefined) throw new Error('there is no consumer to pin to');
    this.buckets[bucket] = chosen;
    return chosen;
  }

  private bucketOf(message: Message): number {
    return fnv1a(this.keyOfMessage(message)) % BUCKETS;
  }
}

/** http://www.isthe.com/chongo/tech/comp/fnv/: FNV-1a, 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let n = 0; n < text.length; n++) hash = Math.imul(hash ^ text.charCodeAt(n), 0x01000193);
  return hash >>> 0;
}

/** The stream an event was written to; of a link whose target is gone, the one it names. */
function sourceStream(message: Message): string {
  if (message.event !== undefined && message.event.type !== '$>') return message.event.stream;
  const link = message.event ?? recordOf(message);
  const text = link.data.toString('utf8');
  return text.slice(text.indexOf('@') + 1);
}

function correlation(message: Message): string {
  try {
    const metadata: unknown = JSON.parse((message.event ?? recordOf(message)).metadata.toString('utf8'));
    if (typeof metadata === 'object' && metadata !== null && '$correlationId' in metadata) {
      if (typeof metadata.$correlationId === 'string') return metadata.$correlationId;
    }
  } catch {
    // Metadata need not be JSON.
  }
  return sourceStream(message);
}

export function consumerStrategy(name: ConsumerStrategyName): ConsumerStrategy {
  switch (name) {
    case 'RoundRobin':
      return new RoundRobin();
    case 'DispatchToSingle':
      return new DispatchToSingle();
    case 'Pinned':
      return new Pinned(sourceStream);
    case 'PinnedByCorrelation':
      return new Pinned(correlation);
  }
}
