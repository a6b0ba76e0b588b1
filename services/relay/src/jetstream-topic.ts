import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import {
  ensureStream,
  isStreamNotFound,
  isUnable,
  lastRelayed,
  type Relayed,
  STREAMS,
} from '@oo/event-sourcing';
import { z } from 'zod';
import type { Headers } from './headers.js';
import { PipelineBroken } from './pipelined-publisher.js';
import type { AckListener, Channel, Mirrored, Topic, TopicStanding } from './topic.js';

const BUCKET = 'OO_RELAY';
const KEY = 'checkpoint';
/** Messages that are written together while others wait for their acknowledgement, at most. */
const TOGETHER = 64;

const mirrored = z.object({
  position: z.string().regex(/^\d+$/).transform(BigInt),
  sequence: z.int(),
  stream: z.string(),
});

/** `OO_EVENTS` of JetStream, and the bucket beside it. */
export class JetStreamTopic implements Topic {
  #jsm: JetStreamManager | undefined;
  #bucket: KV | undefined;
  /** How often in a row the bucket did not take the copy. */
  #unkept = 0;

  constructor(private readonly nats: NatsConnection) {}

  ensure(): Promise<void> {
    return able(async () => {
      await ensureStream(await this.#manager(), STREAMS.events);
      // The bucket may have been deleted since: it is opened anew with the stream.
      this.#bucket = await new Kvm(this.nats).create(BUCKET, { history: 1 });
    });
  }

  standing(): Promise<TopicStanding | undefined> {
    return able(async () => {
      try {
        const { created, state } = await (await this.#manager()).streams.info(STREAMS.events.name);
        return { created, lastSequence: state.last_seq };
      } catch (error) {
        if (isStreamNotFound(error)) return undefined;
        throw error;
      }
    });
  }

  last(): Promise<Relayed | undefined> {
    return able(async () => lastRelayed(await this.#manager()));
  }

  async readMirror(): Promise<Mirrored | undefined> {
    const entry = await this.#bucket?.get(KEY);
    if (entry === null || entry === undefined || entry.operation !== 'PUT') return undefined;
    const parsed = mirrored.safeParse(entry.json());
    return parsed.success ? parsed.data : undefined;
  }

  async writeMirror(checkpoint: Mirrored): Promise<void> {
    try {
      await this.#put(checkpoint);
    } catch (error) {
      // The bucket is a stream of its own, which may be stuck alone; it holds nothing but this copy.
      if (++this.#unkept < 2) throw error;
      await this.#delete(`KV_${BUCKET}`);
      await this.ensure();
      await this.#put(checkpoint);
    }
    this.#unkept = 0;
  }

  async remake(): Promise<void> {
    for (const name of [STREAMS.events.name, STREAMS.proposals.name, `KV_${BUCKET}`])
      await this.#delete(name);
    await this.ensure();
  }

  async #put({ position, ...rest }: Mirrored): Promise<void> {
    await this.#bucket?.put(KEY, JSON.stringify({ position: String(position), ...rest }));
  }

  async #delete(name: string): Promise<void> {
    try {
      await (await this.#manager()).streams.delete(name);
    } catch (error) {
      if (!isStreamNotFound(error)) throw error;
    }
  }

  open(listener: AckListener): Channel {
    const { nats } = this;
    const inbox = `_INBOX.relay.${crypto.randomUUID()}`;
    // The client writes to its socket once a microtask, and events come one in each: as in Nagle's algorithm the first
    // goes at once, and those that come while acknowledgements are awaited go together.
    let waiting: (() => void)[] = [];
    let unanswered = 0;
    const send = () => {
      const now = waiting;
      waiting = [];
      unanswered += now.length;
      for (const publish of now) publish();
    };
    const acks = nats.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        listener(error, Number(message.subject.slice(inbox.length + 1)), message.data);
        if (--unanswered === 0) send();
      },
    });
    return {
      maxPayload: nats.info?.max_payload ?? Number.POSITIVE_INFINITY,
      publish: (subject: string, body: Uint8Array, headers: Headers, sequence: number) => {
        // The client asks headers for their bytes, and for nothing else.
        const options = { headers: headers as unknown as MsgHdrs, reply: `${inbox}.${sequence}` };
        waiting.push(() => nats.publish(subject, body, options));
        if (unanswered === 0 || waiting.length >= TOGETHER) send();
      },
      close: () => {
        waiting = [];
        acks.unsubscribe();
      },
    };
  }

  async #manager(): Promise<JetStreamManager> {
    this.#jsm ??= await jetstreamManager(this.nats);
    return this.#jsm;
  }
}

/** A stream that the broker cannot read stores nothing either. */
async function able<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (isUnable(error)) throw new PipelineBroken(String(error), 'unstored');
    throw error;
  }
}
