import type { RecordView } from '../storage/record.js';
import { RecordReader } from '../storage/record-reader.js';
import type { EventFilter } from '../streams/event-filter.js';
import type { EventStore } from '../streams/event-store.js';
import { resolve } from '../streams/links.js';
import { Consumer, type ConsumerSink, type ConsumerStrategy, consumerStrategy } from './consumers.js';
import { keyOf, type Message } from './message.js';
import type { ParkedMessages } from './parked-messages.js';
import { ALL, type GroupDefinition, type GroupSettings, placeText } from './settings.js';

export type NackAction = 'retry' | 'park' | 'skip' | 'stop';

export interface Checkpoints {
  load(): number | undefined;
  save(place: number): void;
}

/**
 * One persistent subscription: reads its source ahead of its consumers, hands each event to one of them, hears how it
 * went, and remembers how far everything is done.
 */
export class Group {
  readonly consumers = new Set<Consumer>();
  private readonly strategy: ConsumerStrategy;
  private readonly reader: RecordReader;
  private readonly settings: GroupSettings;
  private readonly toAll: boolean;
  /** Read, not sent yet. */
  private buffer: Message[] = [];
  private bufferStart = 0;
  /** To be sent again; before the buffer, in the order of the source, replayed ones last. */
  private retry: Message[] = [];
  private readonly outstanding = new Map<string, Message>();
  /** Where reading goes on. */
  private next: number;
  /** All that exists is in the buffer: new events come by being told of them. */
  private isLive: boolean;
  private nextSequence = 0;
  private lastSequence = -1;
  private lastPlace: number | undefined;
  private checkpointedSequence = -1;
  private checkpointedAt = 0;
  private lastCheckpoint: number | undefined;
  private lastKnown: number | undefined;
  private total = 0;
  private measured = { at: performance.now(), total: 0 };
  private closed = false;

  constructor(
    readonly definition: GroupDefinition,
    private readonly store: EventStore,
    private readonly filter: EventFilter | undefined,
    private readonly checkpoints: Checkpoints,
    private readonly parked: ParkedMessages,
  ) {
    this.settings = definition.settings;
    this.toAll = definition.stream === ALL;
    this.strategy = consumerStrategy(this.settings.namedConsumerStrategy);
    this.reader = new RecordReader(store.log);
    const checkpoint = checkpoints.load();
    const { startFrom } = this.settings;
    if (checkpoint !== undefined) {
      this.next = checkpoint + 1;
      this.isLive = false;
      this.nextSequence = 1;
      this.lastSequence = 0;
      this.checkpointedSequence = 0;
      this.lastPlace = checkpoint;
      this.lastCheckpoint = checkpoint;
    } else if (startFrom.kind === 'end') {
      this.next = this.toAll ? store.log.committed : store.lastRevision(definition.stream) + 1;
      this.isLive = true;
    } else {
      this.next = startFrom.value;
      this.isLive = false;
    }
    this.readAhead();
  }

  // ---- the source

  private get buffered(): number {
    return this.buffer.length - this.bufferStart;
  }

  private get room(): boolean {
    return this.settings.historyBufferSize - this.buffered - this.retry.length > this.batchSize;
  }

  private get batchSize(): number {
    return Math.min(this.settings.readBatchSize <= 0 ? 20 : this.settings.readBatchSize, 500);
  }

  private fill(): void {
    try {
      this.readAhead();
    } catch (error) {
      this.fail(error);
    }
  }

  /** What cannot be read ends the calls of the consumers, and not the server; whoever connects makes it try again. */
  private fail(error: unknown): void {
    this.isLive = false;
    const consumers = [...this.consumers];
    this.consumers.clear();
    for (const consumer of consumers) {
      this.letGo(consumer);
      consumer.sink.failed(error);
    }
  }

  /** Reads ahead until the buffer is full or everything is read. */
  private readAhead(): void {
    while (!this.isLive && !this.closed && this.room) {
      if (this.toAll) this.readAll();
      else this.readStream();
    }
  }

  private readStream(): void {
    const { stream } = this.definition;
    const slice = this.store.readForwards(stream, this.next, Math.max(this.batchSize, 10), this.reader);
    if (slice.state !== 'exists') {
      this.isLive = true;
      return;
    }
    for (const record of slice.records) this.add(record, record.revision);
    this.next = Math.max(this.next, slice.next);
    if (slice.end) this.isLive = true;
  }

  private readAll(): void {
    const window = this.filter === undefined ? this.batchSize : Math.max(this.batchSize, 500);
    const slice = this.store.readAllForwards(this.next, window, this.reader);
    let skipped = 0;
    let last: number | undefined;
    for (const record of slice.records) {
      if (this.wants(record)) this.add(record, record.position);
      else skipped++;
      last = record.position;
    }
    this.next = slice.next;
    if (skipped > 0 && skipped === slice.records.length && last !== undefined) this.skip(last, skipped);
    if (slice.end) this.isLive = true;
  }

  private wants(record: RecordView): boolean {
    const { stream } = record;
    if (stream.startsWith('$persistentsubscription-$all::') && /-(checkpoint|parked)$/.test(stream))
      return false;
    return this.filter === undefined || this.filter.matches(record);
  }

  private add(record: RecordView, place: number): void {
    const found = this.settings.resolveLinkTos
      ? resolve(this.store, record, this.reader, () => true)
      : { event: record, link: undefined };
    if (this.lastKnown === undefined || place > this.lastKnown) this.lastKnown = place;
    this.buffer.push({
      id: keyOf(record.id),
      ...found,
      place,
      retries: 0,
      sequence: undefined,
      previous: undefined,
      expires: 0,
    });
  }

  /** Events of `$all` that the filter leaves out move the checkpoint too. */
  private skip(place: number, count: number): void {
    if (this.buffered > 0 || this.outstanding.size > 0) return;
    this.lastPlace = place;
    this.nextSequence += count;
    this.lastSequence = this.nextSequence - 1;
    this.checkpoint(false);
  }

  /** Told of each durable record of the source. The view is valid only during the call. */
  live(record: RecordView): void {
    if (record.isTombstone && !this.toAll) return;
    const place = this.toAll ? record.position : record.revision;
    if (!this.isLive) {
      if (this.lastKnown === undefined || place > this.lastKnown) this.lastKnown = place;
      return;
    }
    if (place < this.next) return;
    const { startFrom } = this.settings;
    if (startFrom.kind === 'at' && place < startFrom.value) return;
    this.next = this.toAll ? record.position + record.size : place + 1;
    if (this.toAll && !this.wants(record)) {
      this.skip(place, 1);
      return;
    }
    if (this.buffered >= this.settings.historyBufferSize) {
      // No room: it is read again once there is.
      this.isLive = false;
      this.next = place;
      this.lastKnown = place;
      return;
    }
    try {
      this.add(record.detach(), place);
    } catch (error) {
      this.next = place;
      this.fail(error);
    }
  }

  // ---- consumers

  get isFull(): boolean {
    const { maxSubscriberCount } = this.settings;
    return maxSubscriberCount !== 0 && this.consumers.size >= maxSubscriberCount;
  }

  connect(
    sink: ConsumerSink,
    bufferSize: number,
    user: string,
    connectionName: string,
    from: string,
  ): Consumer {
    const consumer = new Consumer(
      sink,
      bufferSize,
      user,
      connectionName,
      from,
      this.settings.extraStatistics,
    );
    this.consumers.add(consumer);
    this.strategy.add(consumer);
    this.push();
    return consumer;
  }

  disconnect(consumer: Consumer): void {
    if (!this.consumers.delete(consumer)) return;
    this.letGo(consumer);
    this.push();
  }

  private letGo(consumer: Consumer): void {
    this.strategy.remove(consumer);
    const lost = [...consumer.inFlight.values()].sort((a, b) => (a.sequence ?? 0) - (b.sequence ?? 0));
    consumer.inFlight.clear();
    for (const message of lost) this.retryLater(message);
  }

  /** Sends what there is to those who have room. */
  push(): void {
    if (this.closed || this.consumers.size === 0) return;
    if (this.retry.length > 0) {
      const kept: Message[] = [];
      for (let n = 0; n < this.retry.length; n++) {
        const message = this.retry[n];
        if (message === undefined) continue;
        const result = this.dispatch(message);
        if (result === 'sent') continue;
        kept.push(message);
        if (result === 'full') {
          kept.push(...this.retry.slice(n + 1));
          break;
        }
      }
      this.retry = kept;
    }
    let skipped: Message[] | undefined;
    for (;;) {
      const message = this.buffer[this.bufferStart];
      if (message === undefined) {
        this.buffer = [];
        this.bufferStart = 0;
        if (skipped === undefined) this.fill();
        if (this.buffer.length === 0) break;
        continue;
      }
      const result = this.dispatch(message);
      if (result === 'full') break;
      this.bufferStart++;
      if (result === 'skipped') {
        skipped ??= [];
        skipped.push(message);
      }
    }
    if (skipped !== undefined || this.bufferStart > 4096) {
      this.buffer = [...(skipped ?? []), ...this.buffer.slice(this.bufferStart)];
      this.bufferStart = 0;
    }
    this.fill();
  }

  private dispatch(message: Message): 'sent' | 'skipped' | 'full' {
    const isNew = message.place !== undefined && message.sequence === undefined;
    const result = this.strategy.dispatch(message);
    if (result !== 'sent') return result;
    this.total++;
    if (isNew) {
      message.sequence = this.nextSequence++;
      message.previous = this.lastPlace;
    }
    if (message.sequence !== undefined && message.sequence > this.lastSequence) {
      this.lastSequence = message.sequence;
      this.lastPlace = message.place;
    }
    const { messageTimeout } = this.settings;
    message.expires = messageTimeout <= 0 ? Number.POSITIVE_INFINITY : Date.now() + messageTimeout;
    this.outstanding.set(message.id, message);
    return 'sent';
  }

  ack(ids: readonly string[]): void {
    this.release(ids);
    this.afterAnswer();
  }

  nack(ids: readonly string[], action: NackAction, reason: string): void {
    for (const id of ids) {
      const message = this.outstanding.get(id);
      if (message === undefined) continue;
      if (action === 'park') this.park(message, `Client explicitly NAK'ed message.\n${reason}`);
      else if (action === 'retry' && !this.exhausted(message)) this.retryLater(message);
    }
    this.release(ids);
    this.afterAnswer();
  }

  private afterAnswer(): void {
    this.checkpoint(false);
    this.fill();
    this.push();
  }

  private release(ids: readonly string[]): void {
    for (const id of ids) {
      this.outstanding.delete(id);
      for (const consumer of this.consumers) if (consumer.confirm(id)) break;
    }
  }

  /** Parks a message that was tried often enough. */
  private exhausted(message: Message): boolean {
    if (message.retries < this.settings.maxRetryCount) return false;
    this.park(message, `Reached retry count of ${this.settings.maxRetryCount}`);
    return true;
  }

  private park(message: Message, reason: string): void {
    this.outstanding.set(message.id, message);
    this.parked.park(message, reason, () => {
      this.release([message.id]);
      this.push();
    });
  }

  private retryLater(message: Message): void {
    this.release([message.id]);
    message.retries++;
    const { place } = message;
    if (place === undefined) {
      this.retry.push(message);
      return;
    }
    const at = this.retry.findIndex((other) => other.place !== undefined && other.place > place);
    if (at < 0) this.retry.push(message);
    else this.retry.splice(at, 0, message);
  }

  replayParked(stopAt: number | undefined): void {
    for (const { event, link } of this.parked.take(stopAt, this.reader)) {
      const message = {
        event,
        link,
        place: undefined,
        retries: 0,
        sequence: undefined,
        previous: undefined,
        expires: 0,
      };
      const record = link ?? event;
      if (record !== undefined) this.retry.push({ id: keyOf(record.id), ...message });
    }
    this.push();
  }

  /** Time passes: unanswered messages expire, checkpoints fall due. */
  tick(now: number): void {
    if (this.closed) return;
    for (const message of [...this.outstanding.values()]) {
      if (message.expires > now) continue;
      message.expires = Number.POSITIVE_INFINITY;
      this.outstanding.delete(message.id);
      if (!this.exhausted(message)) this.retryLater(message);
    }
    this.push();
    this.checkpoint(true);
  }

  private checkpoint(isTick: boolean): void {
    const { minCheckPointCount, maxCheckPointCount, checkPointAfter } = this.settings;
    const possible = this.lastSequence - this.checkpointedSequence;
    if (possible <= 0 || (possible < maxCheckPointCount && !isTick)) return;
    let sequence = Number.POSITIVE_INFINITY;
    let place: number | undefined;
    for (const message of [...this.outstanding.values(), ...this.retry]) {
      if (message.sequence !== undefined && message.sequence < sequence) {
        sequence = message.sequence;
        place = message.previous;
      }
    }
    if (sequence === Number.POSITIVE_INFINITY) {
      sequence = this.lastSequence;
      place = this.lastPlace;
    } else {
      sequence--;
    }
    if (place === undefined || sequence < 0) return;
    const difference = sequence - this.checkpointedSequence;
    const now = Date.now();
    if (now - this.checkpointedAt < checkPointAfter && difference < maxCheckPointCount) return;
    if (
      difference > 0 &&
      ((difference >= minCheckPointCount && isTick) || difference >= maxCheckPointCount)
    ) {
      this.checkpointedAt = now;
      this.checkpointedSequence = sequence;
      this.lastCheckpoint = place;
      this.checkpoints.save(place);
    }
  }

  /** Ends the subscription for everyone connected. */
  close(): void {
    this.closed = true;
    for (const consumer of [...this.consumers]) {
      this.consumers.delete(consumer);
      consumer.sink.dropped();
    }
  }

  // ---- what is to be told of it

  get parkedCount(): number {
    return this.parked.count;
  }

  info(): GroupInfo {
    const now = performance.now();
    const seconds = Math.max(0.001, (now - this.measured.at) / 1000);
    const sinceLast = this.total - this.measured.total;
    this.measured = { at: now, total: this.total };
    let inFlight = 0;
    const connections = [...this.consumers].map((consumer) => {
      inFlight += consumer.inFlight.size;
      const since = consumer.total - consumer.totalAtLastMeasurement;
      consumer.totalAtLastMeasurement = consumer.total;
      return { consumer, sinceLast: since, perSecond: Math.round(since / seconds) };
    });
    const text = (place: number | undefined): string =>
      place === undefined ? '' : placeText(this.definition.stream, place);
    return {
      definition: this.definition,
      status: this.isLive ? 'Live' : 'Behind',
      connections,
      perSecond: Math.round(sinceLast / seconds),
      total: this.total,
      sinceLast,
      lastCheckpointed: text(this.lastCheckpoint),
      lastKnown: text(this.lastKnown),
      readBuffer: this.buffered,
      retryBuffer: this.retry.length,
      inFlight,
      outstanding: this.outstanding.size,
      parked: this.parked.count,
    };
  }
}

export interface GroupInfo {
  readonly definition: GroupDefinition;
  readonly status: string;
  readonly connections: readonly {
    readonly consumer: Consumer;
    readonly sinceLast: number;
    readonly perSecond: number;
  }[];
  readonly perSecond: number;
  readonly total: number;
  readonly sinceLast: number;
  readonly lastCheckpointed: string;
  readonly lastKnown: string;
  readonly readBuffer: number;
  readonly retryBuffer: number;
  readonly inFlight: number;
  readonly outstanding: number;
  readonly parked: number;
}
