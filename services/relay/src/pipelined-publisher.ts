import { eventSubject, HEADER_POSITION, HEADER_REVISION, HEADER_TRACEPARENT } from '@oo/contracts';
import {
  envelopeBytes,
  figures,
  type RunningSpan,
  type StoredEvent,
  startSpan,
  traceparent,
  traceparentOf,
} from '@oo/event-sourcing';
import { Headers } from './headers.js';
import type { Channel, Topic } from './topic.js';

/** Where the stream stands after an acknowledged event. */
export interface Acknowledged {
  readonly position: bigint;
  /** Sequence of the event's message in the stream. */
  readonly sequence: number;
}

export interface PublisherOptions {
  /** Messages that may wait for their acknowledgement at a time. */
  readonly depth: number;
  /** How long the oldest of them may wait. */
  readonly timeoutMs: number;
}

/**
 * What a message is called. `event`: by its event, so that a second relay's is the same message. `place`: by its place
 * too, so that events which the stream has had before are stored once more behind its end.
 */
export type Naming = 'event' | 'place';

interface InFlight extends Acknowledged {
  readonly sentAt: number;
  readonly span: RunningSpan | undefined;
  acknowledged: boolean;
}

const NO_LABELS = {};
const EMPTY_BODY = Buffer.alloc(0);

interface Ack {
  readonly seq: number;
  readonly duplicate: boolean;
}
interface Refusal {
  readonly description: string;
  /** Its answer was an error that is not about the order: it stores nothing. */
  readonly storesNothing?: boolean;
}

/** What the broker says of a message: one for every event, so it is read by hand. */
function ackOf(body: Uint8Array): Ack | Refusal {
  if (body.length === 0) return { description: 'no stream takes the subject' };
  let said: unknown;
  try {
    said = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    return { description: 'the broker gave no acknowledgement' };
  }
  if (typeof said !== 'object' || said === null) return { description: 'the broker gave no acknowledgement' };
  if ('error' in said) {
    const { error } = said;
    if (typeof error !== 'object' || error === null || !('description' in error))
      return { description: 'the broker refused it', storesNothing: true };
    const outOfOrder = 'err_code' in error && OUT_OF_ORDER.some((code) => code === error.err_code);
    return { description: String(error.description), storesNothing: !outOfOrder };
  }
  if (!('seq' in said) || typeof said.seq !== 'number') return { description: 'the broker gave no sequence' };
  return { seq: said.seq, duplicate: 'duplicate' in said && said.duplicate === true };
}

/** The broker counts them into the payload. */
const HEADERS_MOST_BYTES = 1_024;

/** Another last id, another last sequence: another has published in between, which is no fault of the stream. */
const OUT_OF_ORDER = [10070, 10071];

/** The stream did not take a message as it should have. The events from there on have to be published again. */
export class PipelineBroken extends Error {
  /**
   * @param why `repeated`: the stream has had the event before, at another place than behind its end; `unstored`: the
   * broker gave an error, or no answer at all as nats-server does where it cannot write
   */
  constructor(
    reason: string,
    readonly why?: 'repeated' | 'unstored',
  ) {
    super(`publishing was interrupted: ${reason}`);
    this.name = 'PipelineBroken';
  }
}

/**
 * Publishes events one behind the other without waiting for each acknowledgement. Every message says which sequence
 * the one before it has, and what it is called (`Nats-Expected-Last-Sequence`, `Nats-Expected-Last-Msg-Id`): when one
 * is not stored, the stream refuses all that follow, so a failure leaves no hole. The sequence alone would not do: a
 * relay that stands elsewhere may have filled the very place of the one that was refused. A message that another relay
 * has stored already is acknowledged as a duplicate, at the sequence that is expected here too.
 */
export class PipelinedPublisher {
  readonly #inFlight: InFlight[] = [];
  readonly #channel: Channel;
  readonly #watchdog: NodeJS.Timeout;
  readonly #failure = Promise.withResolvers<never>();
  readonly #most: number;
  #room: (() => void) | undefined;
  #sequence: number;
  /** Of the message before; undefined before the first. */
  #lastId: string | undefined;
  #acknowledged: Acknowledged | undefined;
  #closed = false;

  /**
   * @param lastSequence sequence of the last message in the stream
   * @param leftOut told of an event that is too large for the broker; consumers find it in the store
   */
  constructor(
    topic: Topic,
    lastSequence: number,
    private readonly options: PublisherOptions,
    private readonly naming: Naming,
    private readonly leftOut: (event: StoredEvent) => void,
  ) {
    this.#sequence = lastSequence;
    this.#channel = topic.open((error, sequence, body) =>
      error === null ? this.#take(sequence, body) : this.#fail(new PipelineBroken(error.message)),
    );
    this.#most = this.#channel.maxPayload - HEADERS_MOST_BYTES;
    this.#watchdog = setInterval(() => this.#watch(), Math.min(options.timeoutMs, 1_000) / 2);
    this.failed.catch(() => {});
  }

  /** Rejects with {@link PipelineBroken} at the first failure. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  /** The last event that the stream holds of those that were published here, with none missing before it. */
  get acknowledged(): Acknowledged | undefined {
    return this.#acknowledged;
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** Sends an event; the promise, if any, is fulfilled when there is room for the next. */
  publish(event: StoredEvent): Promise<void> | undefined {
    const subject = eventSubject(event.stream, event.type);
    if (this.#closed || subject === undefined) return undefined;
    let body = envelopeBytes(event);
    if (body.length > this.#most) {
      this.leftOut(event);
      // Its place is kept: a consumer that cannot read it reads the store, as for any hole in the sequence.
      body = EMPTY_BODY;
    }
    const id = this.naming === 'event' ? event.id : `${event.id}:${this.#sequence}`;
    const headers = new Headers()
      .add('Nats-Msg-Id', id)
      .add('Nats-Expected-Last-Sequence', String(this.#sequence))
      .add(HEADER_POSITION, String(event.position))
      .add(HEADER_REVISION, String(event.revision));
    if (this.#lastId !== undefined) headers.add('Nats-Expected-Last-Msg-Id', this.#lastId);
    this.#lastId = id;
    const parent = traceparentOf(event);
    const about = { kind: 'producer', parent, attributes: { type: event.type } } as const;
    const span = parent === undefined ? undefined : startSpan('relay', about);
    if (parent !== undefined) headers.add(HEADER_TRACEPARENT, span?.run(traceparent) ?? parent);
    const sequence = ++this.#sequence;
    this.#channel.publish(subject, body, headers, sequence);
    const sentAt = performance.now();
    this.#inFlight.push({ position: event.position, sequence, sentAt, acknowledged: false, span });
    if (this.#inFlight.length < this.options.depth) return undefined;
    return new Promise((resolve) => {
      this.#room = resolve;
    });
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#watchdog);
    this.#channel.close();
    this.#room?.();
  }

  #take(sequence: number, body: Uint8Array): void {
    const first = this.#inFlight[0];
    const mine = first === undefined ? undefined : this.#inFlight[sequence - first.sequence];
    if (mine === undefined) return;
    const ack = ackOf(body);
    if ('description' in ack) this.#fail(refused(ack, mine !== first));
    else if (ack.seq !== sequence) this.#fail(misplaced(ack, mine));
    else {
      mine.acknowledged = true;
      mine.span?.end();
      figures.add('oo.relay.published', NO_LABELS);
      while (this.#inFlight[0]?.acknowledged === true) this.#acknowledged = this.#inFlight.shift();
      if (this.#inFlight.length <= this.options.depth / 2) this.#room?.();
    }
  }

  #watch(): void {
    const oldest = this.#inFlight[0];
    if (oldest !== undefined && performance.now() - oldest.sentAt > this.options.timeoutMs) {
      this.#fail(new PipelineBroken(`no acknowledgement within ${this.options.timeoutMs} ms`, 'unstored'));
    }
  }

  #fail(error: PipelineBroken): void {
    this.#failure.reject(error);
    this.close();
  }
}

/** @param passedOver nothing was said of the one before it, which therefore is not stored: this one is out of sequence */
function refused({ description, storesNothing = false }: Refusal, passedOver: boolean) {
  return new PipelineBroken(description, storesNothing || passedOver ? 'unstored' : undefined);
}

function misplaced({ seq, duplicate }: Ack, mine: InFlight) {
  const reason = `an event stands at sequence ${seq} and was expected at ${mine.sequence}`;
  // nats-server remembers the id of a message that it failed to store, at no sequence.
  if (seq === 0) return new PipelineBroken(reason, 'unstored');
  return new PipelineBroken(reason, duplicate && seq < mine.sequence ? 'repeated' : undefined);
}
