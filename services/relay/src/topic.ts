import type { Relayed } from '@oo/event-sourcing';
import type { Headers } from './headers.js';

/** How the stream of events stands. */
export interface TopicStanding {
  /** When it was made. A stream that was deleted and made again counts from one; its numbers say nothing of the old one's. */
  readonly created: string;
  /** Sequence of the last message, also where that message is no longer there. */
  readonly lastSequence: number;
}

/** The copy of the relay's checkpoint, kept beside the stream. */
export interface Mirrored {
  readonly position: bigint;
  readonly sequence: number;
  /** `created` of the stream that it is about. */
  readonly stream: string;
}

/** What comes back for a message: nothing where no stream took it. */
export type AckListener = (error: Error | null, sequence: number, body: Uint8Array) => void;

/** The broker as the relay uses it: JetStream, or that of a simulation. */
export interface Topic {
  /** Makes the stream where it is missing. */
  ensure(): Promise<void>;
  /** Undefined where the stream is gone. */
  standing(): Promise<TopicStanding | undefined>;
  /** The last event that is in the stream. */
  last(): Promise<Relayed | undefined>;
  readMirror(): Promise<Mirrored | undefined>;
  writeMirror(checkpoint: Mirrored): Promise<void>;
  /**
   * Deletes all that the broker keeps and makes the stream anew, empty. What was in it is in the event store, or is
   * proposed again.
   */
  remake(): Promise<void>;
  /** A way to publish, with acknowledgements that come by themselves. */
  open(listener: AckListener): Channel;
}

export interface Channel {
  /** Largest message in bytes, headers included. */
  readonly maxPayload: number;
  /** @param sequence the number by which the acknowledgement is told */
  publish(subject: string, body: Uint8Array, headers: Headers, sequence: number): void;
  close(): void;
}
