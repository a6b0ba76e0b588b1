import {
  type CommandReply,
  type DomainEvent,
  derivedCommandId,
  metadataJson,
  problem,
  streamOf,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Decider } from '../decider/decider.js';
import { EventStoreUnavailable, StreamGone } from '../event-store/errors.js';
import { EventStore } from '../event-store/event-store.js';
import { commandIdOf, type StoredEvent } from '../event-store/stored-event.js';
import { type Backbone, someone, startBackbone } from '../testing/index.js';
import {
  type CommandContext,
  CommandHandling,
  type CommandHandlingOptions,
  type EventStreams,
} from './command-handling.js';
import { decodeSnapshot, encodeSnapshot, type SnapshotStore, type Snapshotting } from './snapshots.js';

let backbone: Backbone;
let store: EventStore;
beforeAll(async () => {
  backbone = await startBackbone();
  store = EventStore.connect(backbone.eventStoreUrl);
});
afterAll(async () => {
  await store?.close();
  await backbone?.close();
});

// A stream of tasks, each done once, five at the most. A command does one task, or two at once.
type Done = DomainEvent<'TaskCompleted'>;
const tasks: Decider<readonly string[], readonly string[], Done> = {
  evolves: ['TaskCompleted'],
  initialState: () => [],
  evolve: (state, { data }) => [...state, data.ref],
  decide(refs, state) {
    const fresh = refs.filter((ref) => !state.includes(ref));
    if (state.length + fresh.length > 5) return { problem: problem('conflict', 'five are enough') };
    return { events: fresh.map((ref) => ({ type: 'TaskCompleted', data: { ref } })) };
  },
};
const refs = (...numbers: number[]) => numbers.map((number) => `demo:task:${number}`);

function handlingOf(
  streams: EventStreams = store,
  options: Partial<CommandHandlingOptions<readonly string[], readonly string[]>> = {},
) {
  return new CommandHandling(streams, 'signals', tasks, { window: 100, pause: async () => {}, ...options });
}
/** Keeps them in memory; `before` does to the cache what may happen to one, whenever it is read. */
class Cache implements SnapshotStore {
  readonly kept = new Map<string, Uint8Array[]>();
  constructor(private readonly before: (versions: Uint8Array[]) => void = () => {}) {}

  read(stream: string): Promise<Uint8Array | undefined> {
    const versions = this.kept.get(stream) ?? [];
    this.before(versions);
    return Promise.resolve(versions.at(-1));
  }
  write(stream: string, snapshot: Uint8Array): Promise<void> {
    this.kept.set(stream, [...(this.kept.get(stream) ?? []), snapshot]);
    return Promise.resolve();
  }
  forget(stream: string): Promise<void> {
    this.kept.delete(stream);
    return Promise.resolve();
  }
}

const keptIn = (cache: SnapshotStore, every = 2, version = 1): Snapshotting<readonly string[]> => ({
  store: cache,
  every,
  version,
  encode: (state) => state,
  decode: (json) => json as readonly string[],
});

const context = (user: UserId, name: string): CommandContext => ({
  commandId: derivedCommandId(name, user),
  userId: user,
  tenantId: tenantOf(user),
  correlationId: derivedCommandId('correlation', user),
  causationId: derivedCommandId('causation', user),
  producer: 'test',
  occurredAt: '2026-03-02T08:00:00Z',
  receivedAt: '2026-03-02T08:00:01Z',
});
const eventsOf = (user: UserId) => store.readLast(streamOf('signals', user), 1_000);
const recorded = ({ result }: CommandReply) =>
  result?.$case === 'recorded' ? result.recorded : expect.fail(`not recorded: ${JSON.stringify(result)}`);

describe('a command', () => {
  it('is answered with where its events stand, and again the same, from any process and at any time', async () => {
    const user = someone();
    const [here, there] = [handlingOf(), handlingOf()];
    const first = recorded(await here.handle(context(user, 'a'), refs(1, 2)));
    expect(first).toMatchObject({ revision: 1n, duplicate: false });
    expect(first.eventIds).toEqual((await eventsOf(user)).map(({ id }) => id));
    recorded(await there.handle(context(user, 'b'), refs(3)));
    for (const process of [here, there, handlingOf()]) {
      expect(recorded(await process.handle(context(user, 'a'), refs(1, 2)))).toEqual({
        ...first,
        duplicate: true,
      });
    }
    expect(await eventsOf(user)).toHaveLength(3);
  });

  it('that is refused, or changes nothing, is decided on what others have written', async () => {
    const user = someone();
    const [here, there] = [handlingOf(), handlingOf()];
    await here.handle(context(user, 'a'), refs(1));
    await there.handle(context(user, 'b'), refs(2, 3));
    await there.handle(context(user, 'c'), refs(4));
    // What is cached here knows one task only.
    const reply = await here.handle(context(user, 'd'), refs(5, 6));
    expect(reply.result).toMatchObject({ $case: 'problem', problem: { detail: 'five are enough' } });
    const noop = recorded(await here.handle(context(user, 'e'), refs(2)));
    expect(noop).toMatchObject({ revision: 3n, eventIds: [], duplicate: false });
    expect(noop.position).toBe((await eventsOf(user)).at(-1)?.position);
  });

  // Seed 1683 of the simulation.
  it('that another process has recorded with another outcome is taken as it is recorded', async () => {
    const user = someone();
    const [here, there] = [handlingOf(), handlingOf()];
    recorded(await here.handle(context(user, 'a'), refs(1)));
    const first = recorded(await there.handle(context(user, 'b'), refs(2)));
    // What is cached here ends where the command was appended there, and comes to something else.
    expect(recorded(await here.handle(context(user, 'b'), refs(3)))).toEqual({ ...first, duplicate: true });
    expect(await here.state(user)).toEqual(refs(1, 2));
    const both = recorded(await there.handle(context(user, 'c'), refs(3, 4)));
    // And to a part of it.
    expect(recorded(await here.handle(context(user, 'c'), refs(3)))).toEqual({ ...both, duplicate: true });
    expect(await here.state(user)).toEqual(refs(1, 2, 3, 4));
  });

  it('is not settled by a cached refusal that is out of date', async () => {
    const user = someone();
    const opposite: typeof tasks = {
      ...tasks,
      decide: (wanted, state) =>
        state.length === 0
          ? { problem: problem('unknown-user', 'nothing yet') }
          : tasks.decide(wanted, state),
    };
    const here = new CommandHandling(store, 'signals', opposite, { window: 100 });
    expect((await here.handle(context(user, 'a'), refs(1))).result?.$case).toBe('problem');
    await handlingOf().handle(context(user, 'b'), refs(2));
    expect((await here.handle(context(user, 'a'), refs(1))).result?.$case).toBe('recorded');
  });

  it('on nothing is not found when nothing comes of it', async () => {
    const reply = await handlingOf().handle(context(someone(), 'a'), []);
    expect(reply.result).toMatchObject({ $case: 'problem', problem: { status: 404 } });
  });

  it('is recognised over the window, and the window is all that is folded', async () => {
    const user = someone();
    for (const [name, number] of [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ] as const) {
      await handlingOf().handle(context(user, name), refs(number));
    }
    const narrow = () => handlingOf(store, { window: 2 });
    expect(recorded(await narrow().handle(context(user, 'b'), refs(2))).duplicate).toBe(true);
    expect(recorded(await narrow().handle(context(user, 'a'), refs(1))).duplicate).toBe(false);
  });

  it('makes room for the next by all that a cached stream has come to', async () => {
    let reads = 0;
    const counted: EventStreams = {
      append: (...args) => store.append(...args),
      readForward: (...args) => store.readForward(...args),
      readLast: (...args) => {
        reads++;
        return store.readLast(...args);
      },
    };
    const here = handlingOf(counted, { cachedEvents: 7 });
    const [first, second] = [someone(), someone()];
    for (const number of [1, 2, 3, 4]) await here.handle(context(first, `${number}`), refs(number));
    await here.handle(context(second, 'a'), refs(1, 2));
    await here.handle(context(second, 'b'), refs(3));
    expect(reads).toBe(2);
    // Five of the first and three of the second are more than seven.
    await here.handle(context(first, '5'), refs(5));
    expect(reads).toBe(3);
  });

  it('is `unavailable` while the store is away, and recorded once when it is sent again', async ({
    skip,
  }) => {
    if (backbone.eventStore === undefined) skip('the event store is not ours to stop');
    const user = someone();
    const here = handlingOf();
    await here.handle(context(user, 'a'), refs(1));
    await backbone.eventStore?.stop();
    const away = await here.handle(context(user, 'b'), refs(2));
    expect(away.result).toMatchObject({ $case: 'problem', problem: { status: 503 } });
    await backbone.eventStore?.start();
    expect(recorded(await here.handle(context(user, 'b'), refs(2))).revision).toBe(1n);
  });
});

describe('a stream that is kept in snapshots', () => {
  /** Counts the events that are read. */
  function counted() {
    const count = { events: 0 };
    const read = async (events: ReturnType<EventStreams['readLast']>) => {
      count.events += (await events).length;
      return events;
    };
    const streams: EventStreams = {
      append: (...args) => store.append(...args),
      readForward: (...args) => read(store.readForward(...args)),
      readLast: (...args) => read(store.readLast(...args)),
    };
    return { count, streams };
  }

  it('loads from the last one on, with its commands, and as it would from its beginning', async () => {
    const [user, cache] = [someone(), new Cache()];
    const first = handlingOf(store, { snapshots: keptIn(cache) });
    const replies = [];
    for (const number of [1, 2, 3, 4, 5])
      replies.push(recorded(await first.handle(context(user, `${number}`), refs(number))));

    const { count, streams } = counted();
    const later = handlingOf(streams, { snapshots: keptIn(cache) });
    expect(await later.state(user)).toEqual(refs(1, 2, 3, 4, 5));
    // As many as there may be behind a snapshot, and the one before them.
    expect(count.events).toBe(3);
    for (const [index, reply] of replies.entries()) {
      const again = await later.handle(context(user, `${index + 1}`), refs(index + 1));
      expect(recorded(again)).toEqual({ ...reply, duplicate: true });
    }
    cache.kept.clear();
    expect(await handlingOf(store, { snapshots: keptIn(cache) }).state(user)).toEqual(refs(1, 2, 3, 4, 5));
  });

  it('loads from a snapshot that is older than it should be', async () => {
    const [user, cache] = [someone(), new Cache((versions) => versions.splice(1))];
    const first = handlingOf(store, { snapshots: keptIn(cache, 1) });
    for (const number of [1, 2, 3, 4, 5]) await first.handle(context(user, `${number}`), refs(number));
    const { count, streams } = counted();
    const later = handlingOf(streams, { snapshots: keptIn(cache, 1) });
    expect(await later.state(user)).toEqual(refs(1, 2, 3, 4, 5));
    // The last two, the one that the snapshot ends with, and the four behind it.
    expect(count.events).toBe(7);
  });

  it('is folded whole, beyond the window over which commands are recognised', async () => {
    const user = someone();
    const options = (cache: Cache) => ({ window: 2, snapshots: keptIn(cache) });
    const kept = new Cache();
    for (const number of [1, 2, 3, 4, 5]) {
      await handlingOf(store, options(kept)).handle(context(user, `${number}`), refs(number));
    }
    for (const cache of [kept, new Cache()]) {
      const here = handlingOf(store, options(cache));
      expect(await here.state(user)).toEqual(refs(1, 2, 3, 4, 5));
      expect(recorded(await here.handle(context(user, '4'), refs(4))).duplicate).toBe(true);
      expect(recorded(await here.handle(context(user, '3'), refs(3))).duplicate).toBe(false);
    }
  });

  it('is read from its beginning where what is kept does not fit', async () => {
    const [user, cache] = [someone(), new Cache()];
    const stream = streamOf('signals', user);
    const first = handlingOf(store, { snapshots: keptIn(cache) });
    for (const number of [1, 2, 3, 4, 5]) await first.handle(context(user, `${number}`), refs(number));
    const written = cache.kept.get(stream)?.at(-1) ?? expect.fail('no snapshot was written');
    const snapshot = decodeSnapshot(keptIn(cache), stream, 100, written) ?? expect.fail('unreadable');
    const wrong = { ...snapshot, state: ['another past'] };
    const encode = (change: Partial<typeof snapshot>, version = 1, of = stream, window = 100) =>
      encodeSnapshot(keptIn(cache, 2, version), of, window, { ...wrong, ...change });
    const readable = encode({});
    for (const bytes of [
      new Uint8Array(),
      new TextEncoder().encode('{}'),
      readable.subarray(0, readable.length - 9),
      encode({}, 2),
      encode({}, 1, streamOf('signals', someone())),
      encode({}, 1, stream, 99),
      // A log that was put back: another event stands there, or none.
      encode({ eventId: derivedCommandId('another', user) }),
      encode({ revision: 7n }),
      // The same command, sent again to a log that was put back.
      encode({ recordedAt: '2026-03-02T08:00:02Z' }),
    ]) {
      cache.kept.set(stream, [bytes]);
      expect(await handlingOf(store, { snapshots: keptIn(cache) }).state(user)).toEqual(refs(1, 2, 3, 4, 5));
    }
    // What fits is believed, so that the cases above say something.
    cache.kept.set(stream, [readable]);
    expect(await handlingOf(store, { snapshots: keptIn(cache) }).state(user)).toEqual([
      'another past',
      ...refs(5),
    ]);
  });

  it('is read from its beginning where the log went another way to the same command', async () => {
    const [user, cache] = [someone(), new Cache()];
    const stream = streamOf('signals', user);
    // Another log, of before it was put back: `b` was there, and `c` behind it. `c` is sent again later.
    const log: StoredEvent[] = [];
    const lost: EventStreams = {
      append: async (name, expected, events) => {
        const [event] = events as readonly [(typeof events)[number]];
        const { id, metadata } = event;
        const place = { stream: name, revision: expected + 1n, position: 100n * (expected + 2n) };
        const data = event.event.data;
        log.push({
          id,
          type: event.event.type,
          data,
          metadata: metadataJson({ ...metadata, schemaVersion: 1 }),
          ...place,
          storedAtMs: 0,
        });
        return place;
      },
      readForward: async (_, from, count) => log.filter(({ revision }) => revision >= from).slice(0, count),
      readLast: async (_, count) => log.slice(-count),
    };
    const before = handlingOf(lost, { snapshots: keptIn(cache, 3) });
    for (const [index, name] of ['a', 'b', 'c'].entries()) {
      await before.handle(context(user, name), refs(index + 1));
    }
    expect(cache.kept.has(stream)).toBe(true);
    const now = handlingOf();
    const later = (name: string) => ({ ...context(user, name), receivedAt: '2026-03-02T09:00:00Z' });
    await now.handle(context(user, 'a'), refs(1));
    await now.handle(later('d'), refs(4));
    await now.handle(later('c'), refs(3));
    expect((await eventsOf(user)).at(-1)).toMatchObject({ id: log.at(-1)?.id, revision: 2n });
    expect(await handlingOf(store, { snapshots: keptIn(cache, 1) }).state(user)).toEqual(refs(1, 4, 3));
  });

  it('that is gone is forgotten there, too', async () => {
    const [user, cache] = [someone(), new Cache()];
    const stream = streamOf('signals', user);
    const options = { snapshots: keptIn(cache) };
    await handlingOf(store, options).handle(context(user, 'a'), refs(1, 2));
    expect(cache.kept.has(stream)).toBe(true);
    const gone: EventStreams = {
      append: () => Promise.reject(new StreamGone(stream)),
      readForward: () => Promise.reject(new StreamGone(stream)),
      readLast: () => Promise.reject(new StreamGone(stream)),
    };
    const reply = await handlingOf(gone, options).handle(context(user, 'b'), refs(3));
    expect(reply.result).toMatchObject({ $case: 'problem', problem: { status: 404 } });
    expect(cache.kept.has(stream)).toBe(false);
  });
});

/** A store that now and then does not answer: before it did what was asked, or after. */
function unreliable(faults: () => 'none' | 'before' | 'after'): EventStreams {
  const call = async <T>(ask: () => Promise<T>): Promise<T> => {
    const fault = faults();
    if (fault === 'before') throw new EventStoreUnavailable('lost on the way');
    const answer = await ask();
    if (fault === 'after') throw new EventStoreUnavailable('the answer was lost');
    return answer;
  };
  return {
    append: (...args) => call(() => store.append(...args)),
    readForward: (...args) => call(() => store.readForward(...args)),
    readLast: (...args) => call(() => store.readLast(...args)),
  };
}

it('whatever is retried, raced, evicted and lost, no effect comes twice and no rule is broken', async () => {
  const command = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    process: fc.nat(1),
    // Together with the one before it, or after its reply.
    together: fc.boolean(),
  });
  const schedule = fc.infiniteStream(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant('none' as const) },
      { weight: 1, arbitrary: fc.constantFrom('before' as const, 'after' as const) },
    ),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(command, { minLength: 1, maxLength: 24 }),
      fc.constantFrom(1, 1_000),
      schedule,
      fc.infiniteStream(fc.constantFrom('kept', 'kept', 'lost', 'older', 'damaged')),
      async (commands, cachedEvents, faults, fates) => {
        const user = someone();
        const streams = unreliable(() => faults.next().value ?? 'none');
        const cache = new Cache((versions) => {
          const fate = fates.next().value;
          if (fate === 'lost') versions.length = 0;
          else if (fate === 'older') versions.splice(1);
          else if (fate === 'damaged') versions.push(new Uint8Array([1, 2, 3]));
        });
        const processes = [
          handlingOf(streams, { cachedEvents, snapshots: keptIn(cache, 1) }),
          handlingOf(streams, { cachedEvents, snapshots: keptIn(cache, 3) }),
        ];
        const replies = new Map<string, CommandReply[]>();
        const handled: Promise<unknown>[] = [];
        for (const { name, process, together } of commands) {
          if (!together) await Promise.all(handled);
          const number = name.charCodeAt(0) - 96;
          const reply = processes[process]?.handle(context(user, name), refs(number, number + 1));
          handled.push(
            Promise.resolve(reply).then((answer) => {
              if (answer !== undefined) replies.set(name, [...(replies.get(name) ?? []), answer]);
            }),
          );
        }
        await Promise.all(handled);

        const events = await eventsOf(user);
        // The rules of the stream.
        const done = events.map(({ data }) => (data as { ref: string }).ref);
        expect(new Set(done).size).toBe(done.length);
        expect(done.length).toBeLessThanOrEqual(5);
        // Each command has its events once, one behind the other.
        expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
        // What is cached is what is recorded.
        for (const process of processes) {
          const state = await process.state(user).catch(() => undefined);
          if (state !== undefined) expect(state).toEqual(done);
        }
        for (const [name, all] of replies) {
          const { commandId } = context(user, name);
          const own = events.filter((event) => commandIdOf(event) === commandId);
          for (const { result } of all) {
            // Acknowledged is recorded.
            if (result?.$case !== 'recorded' || result.recorded.eventIds.length === 0) continue;
            expect(result.recorded.eventIds).toEqual(own.map(({ id }) => id));
            expect(result.recorded.revision).toBe(own.at(-1)?.revision);
            expect(result.recorded.position).toBe(own.at(-1)?.position);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});
