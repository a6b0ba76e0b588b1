import type { StoredEvent } from '../event-store/stored-event.js';

/** An event on its way to a projection; nobody has parsed its payload yet. */
export type ArrivedEvent = Omit<StoredEvent, 'storedAtMs'>;

/** The store as projections read it: `EventStore`, or a simulated one. */
export interface History {
  /** Position of the newest event of oO's streams; undefined where there is none. */
  head(): Promise<bigint | undefined>;
  /** Events of oO's streams behind position `after` (undefined: all), in the order of the store, in pages. */
  readAll(after?: bigint, page?: number): AsyncIterable<readonly ArrivedEvent[]>;
  /** Events of a stream from a revision on, in pages; none where the stream has none there. */
  readStream(stream: string, from: bigint): AsyncIterable<readonly ArrivedEvent[]>;
}
