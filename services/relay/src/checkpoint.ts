import { type EventStore, type Relayed, STREAMS } from '@oo/event-sourcing';
import type { Topic, TopicStanding } from './topic.js';

/** Where the relay stands: what is published, and where in the stream. */
export interface Checkpoint {
  /** Position of the last published event; undefined: nothing is. */
  readonly position: bigint | undefined;
  /** Sequence of the last message in the stream, also where that message is no longer there. */
  readonly sequence: number;
}

/**
 * The checkpoint is what stands in the stream. Its last message may be gone (retention, a purge), so position and
 * sequence are also kept beside it; that copy counts for as long as it is about the stream as it stands.
 */
export class CheckpointMirror {
  #written = -1;

  constructor(
    private readonly topic: Pick<Topic, 'readMirror' | 'writeMirror'>,
    private readonly stream: TopicStanding,
  ) {}

  /** Keeps a checkpoint, unless it is kept already. */
  async write(position: bigint, sequence: number): Promise<void> {
    if (sequence === this.#written) return;
    await this.topic.writeMirror({ position, sequence, stream: this.stream.created });
    this.#written = sequence;
  }

  async read(): Promise<{ position: bigint; sequence: number } | undefined> {
    const kept = await this.topic.readMirror();
    return kept?.stream === this.stream.created ? kept : undefined;
  }
}

/**
 * Finds out where to go on.
 * @param last the last event in the stream, as it was before `stream` was looked at. In this order another relay's
 * message in between makes the position too old, so that something is published again; in the other it would make it
 * too new, and what lies between would be left out.
 * @param now milliseconds since 1970, for how far back an empty stream is filled
 * @throws Error where the stream has lost `last` since
 */
export async function findCheckpoint(
  last: Relayed | undefined,
  stream: TopicStanding,
  mirror: CheckpointMirror,
  store: Pick<EventStore, 'readAll' | 'readAllBackwards'>,
  now: number,
): Promise<Checkpoint> {
  const sequence = stream.lastSequence;
  if (last !== undefined && last.sequence > sequence) {
    throw new Error(`the stream ends at ${sequence}, and had ${last.sequence} a moment ago`);
  }
  // What stands there goes before what is noted of it: a stream that had lost messages may have come to the same
  // sequence again with others.
  if (last?.sequence === sequence) return { position: last.position, sequence };
  const kept = await mirror.read();
  if (kept?.sequence === sequence) return { position: kept.position, sequence };
  if (last !== undefined) return { position: last.position, sequence };
  // Emptied since the copy was made: some events may be published a second time, and are passed over by their revision.
  if (kept !== undefined && kept.sequence < sequence) return { position: kept.position, sequence };
  const maxAgeMs = STREAMS.events.max_age / 1_000_000;
  return { position: await positionBefore(store, now - maxAgeMs), sequence };
}

/** Position of the newest event that was stored before `cutoff`; undefined where all are newer. */
async function positionBefore(
  store: Pick<EventStore, 'readAll' | 'readAllBackwards'>,
  cutoff: number,
): Promise<bigint | undefined> {
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
