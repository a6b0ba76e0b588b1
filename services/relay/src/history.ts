import { ownerOf, ProblemError, problem } from '@oo/contracts';
import { type EventStore, envelopeOf, type StoredEvent, StreamGone } from '@oo/event-sourcing';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';

const position = z
  .string()
  .regex(/^\d{1,20}$/, 'must be a position: a decimal number')
  .transform((digits) => BigInt(digits));

const paging = {
  /** Exclusive. */
  after: position.optional(),
  /** Inclusive. */
  until: position.optional(),
  limit: z.int().min(1).max(5_000).default(500),
};
const stream = z.string().refine((name) => ownerOf(name) !== undefined, 'must be a stream of oO');

/** The question `QUERIES.historyRead`: the whole of some streams, or everything behind a position. */
export const historyQuery = z.union([
  z.strictObject({ streams: z.array(stream).min(1).max(8), ...paging }),
  z.strictObject({ fromPosition: position, ...paging }),
]);
export type HistoryQuery = z.output<typeof historyQuery>;

/** A broker takes messages up to 1 MB. A page ends before it, and an event that is larger by itself cannot be given. */
const MOST_BYTES = 900 * 1024;
const LARGEST_EVENT_BYTES = 1_000_000;
const PAGE = 250;

/** Recorded events in the order of the store, in pages that a broker's message holds. */
export class History {
  /** Revision that follows a cursor in a stream, so that the next page needs no search. */
  readonly #cursors = new LRUCache<string, bigint>({ max: 10_000 });

  /** @param leftOut told of an event that is too large for a reply */
  constructor(
    private readonly store: Pick<EventStore, 'head' | 'readAll' | 'readForward' | 'readLast' | 'readStream'>,
    private readonly leftOut: (event: StoredEvent) => void,
  ) {}

  /**
   * @returns the reply as JSON: `{events, next, head}`; `next` is null where nothing follows
   * @throws ProblemError where one of the streams was deleted for good: what is left of its person is no whole
   */
  async read(query: HistoryQuery): Promise<Uint8Array> {
    const [head, page] = await Promise.all([this.head(), this.#page(query)]).catch((error: unknown) => {
      if (!(error instanceof StreamGone)) throw error;
      throw new ProblemError(problem('unknown-user', `This person has left. ${error.message}.`));
    });
    const next = page.more ? quoted(page.last) : 'null';
    return Buffer.from(`{"events":[${page.events.join(',')}],"next":${next},"head":${quoted(head)}}`);
  }

  /** Commit position of the newest event of oO; 0 where there is none. */
  async head(): Promise<bigint> {
    return (await this.store.head()) ?? 0n;
  }

  async #page(query: HistoryQuery): Promise<{ events: string[]; more: boolean; last: bigint }> {
    const events: string[] = [];
    let bytes = 0;
    let last = query.after ?? 0n;
    const reached = new Map<string, bigint>();
    for await (const event of this.#events(query)) {
      if (query.until !== undefined && event.position > query.until) break;
      const json = JSON.stringify(envelopeOf(event));
      const size = Buffer.byteLength(json) + 1;
      if (size > LARGEST_EVENT_BYTES) {
        this.leftOut(event);
        continue;
      }
      bytes += size;
      if (events.length > 0 && (events.length === query.limit || bytes > MOST_BYTES)) {
        if ('streams' in query) this.#remember(query.streams, last, reached);
        return { events, more: true, last };
      }
      events.push(json);
      last = event.position;
      reached.set(event.stream, event.revision + 1n);
    }
    return { events, more: false, last };
  }

  #events(query: HistoryQuery): AsyncGenerator<StoredEvent> {
    if ('streams' in query) return this.#merged([...new Set(query.streams)], query.after);
    const { fromPosition, after } = query;
    return flat(this.store.readAll(after !== undefined && after > fromPosition ? after : fromPosition, PAGE));
  }

  /** Several streams as one, by position. */
  async *#merged(streams: readonly string[], after: bigint | undefined): AsyncGenerator<StoredEvent> {
    const sources = await Promise.all(
      streams.map(async (name) => {
        const from = after === undefined ? 0n : await this.#revisionBehind(name, after);
        const events = flat(this.store.readStream(name, from, PAGE));
        return { events, next: await events.next() };
      }),
    );
    for (;;) {
      let first: (typeof sources)[number] | undefined;
      for (const source of sources) {
        if (source.next.done === true) continue;
        if (first?.next.done !== false || source.next.value.position < first.next.value.position)
          first = source;
      }
      if (first?.next.done !== false) return;
      yield first.next.value;
      first.next = await first.events.next();
    }
  }

  /** The first revision of a stream whose position is behind `cursor`; positions grow with the revisions. */
  async #revisionBehind(name: string, cursor: bigint): Promise<bigint> {
    const known = this.#cursors.get(`${name}@${cursor}`);
    if (known !== undefined) return known;
    const [newest] = await this.store.readLast(name, 1);
    if (newest === undefined) return 0n;
    let [low, high] = [0n, newest.revision + 1n];
    while (low < high) {
      const middle = (low + high) / 2n;
      // A truncated stream begins later: the event that is found stands in for those before it.
      const [event] = await this.store.readForward(name, middle, 1);
      if (event !== undefined && event.position <= cursor) low = event.revision + 1n;
      else high = middle;
    }
    return low;
  }

  #remember(streams: readonly string[], cursor: bigint, reached: ReadonlyMap<string, bigint>): void {
    for (const name of streams) {
      const revision = reached.get(name);
      if (revision !== undefined) this.#cursors.set(`${name}@${cursor}`, revision);
    }
  }
}

const quoted = (value: bigint): string => `"${value}"`;

async function* flat(pages: AsyncGenerator<StoredEvent[]>): AsyncGenerator<StoredEvent> {
  for await (const page of pages) yield* page;
}
