import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { type EventStore, relayedPosition, STREAMS } from '@oo/event-sourcing';
import { z } from 'zod';

/** Where the relay stands: what is published, and where in the stream. */
export interface Checkpoint {
  /** Position of the last published event; undefined: nothing is. */
  readonly position: bigint | undefined;
  /** Sequence of the last message in the stream, also where that message is no longer there. */
  readonly sequence: number;
}

const BUCKET = 'OO_RELAY';
const KEY = 'checkpoint';

const mirrored = z.object({
  position: z.string().regex(/^\d+$/).transform(BigInt),
  sequence: z.int(),
  // A stream that was deleted and made again counts from one; its number says nothing about the old one's.
  stream: z.string(),
});

/**
 * The checkpoint is what stands in the stream. Its last message may be gone (retention, a purge), so position and
 * sequence are also kept in a bucket; that copy counts for as long as it is about the stream as it stands.
 */
export class CheckpointMirror {
  #written = -1;

  private constructor(private readonly bucket: KV) {}

  static async open(nats: NatsConnection): Promise<CheckpointMirror> {
    return new CheckpointMirror(await new Kvm(nats).create(BUCKET, { history: 1 }));
  }

  /** Keeps a checkpoint, unless it is kept already. */
  async write(position: bigint, sequence: number, stream: StreamInfo): Promise<void> {
    if (sequence === this.#written) return;
    await this.bucket.put(
      KEY,
      JSON.stringify({ position: String(position), sequence, stream: stream.created }),
    );
    this.#written = sequence;
  }

  async read(stream: StreamInfo): Promise<{ position: bigint; sequence: number } | undefined> {
    const entry = await this.bucket.get(KEY);
    if (entry === null || entry.operation !== 'PUT') return undefined;
    const parsed = mirrored.safeParse(entry.json());
    return parsed.success && parsed.data.stream === stream.created ? parsed.data : undefined;
  }
}

/** Finds out where to go on. @param now milliseconds since 1970, for how far back an empty stream is filled */
export async function findCheckpoint(
  jsm: JetStreamManager,
  stream: StreamInfo,
  mirror: CheckpointMirror,
  store: EventStore,
  now: number,
): Promise<Checkpoint> {
  const sequence = stream.state.last_seq;
  const kept = await mirror.read(stream);
  if (kept?.sequence === sequence) return { position: kept.position, sequence };
  const last = stream.state.messages === 0 ? undefined : await relayedPosition(jsm);
  if (last !== undefined) return { position: last, sequence };
  // Emptied since the copy was made: some events may be published a second time, and are passed over by their revision.
  if (kept !== undefined && kept.sequence < sequence) return { position: kept.position, sequence };
  const maxAgeMs = STREAMS.events.max_age / 1_000_000;
  return { position: await positionBefore(store, now - maxAgeMs), sequence };
}

/** Position of the newest event that was stored before `cutoff`; undefined where all are newer. */
async function positionBefore(store: EventStore, cutoff: number): Promise<bigint | undefined> {
  for await (const [first] of store.readAll(undefined, 1)) {
    if (first === undefined) continue;
    if (first.storedAtMs >= cutoff) return undefined;
    break;
  }
  for await (const page of store.readAllBackwards()) {
    const older = page.find(({ storedAtMs }) => storedAtMs < cutoff);
    if (older !== undefined) return older.position;
  }
  return undefined;
}
