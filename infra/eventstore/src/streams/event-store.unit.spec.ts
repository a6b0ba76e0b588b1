import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Log } from '../storage/log.js';
import { NO_BYTES, type ProposedEvent } from '../storage/record.js';
import { RecordReader } from '../storage/record-reader.js';
import { scavenge } from '../storage/scavenge.js';
import { FaultyDisk, random } from '../testing/faulty-disk.js';
import { type Expected, Model } from '../testing/model.js';
import { type AppendResult, EventStore } from './event-store.js';
import { METADATA_TYPE, metastreamOf } from './metadata.js';
import { newEvent } from './new-event.js';
import { judge } from './visibility.js';

/** Set OO_FC_RUNS to search longer. */
const RUNS = Number(process.env.OO_FC_RUNS ?? 150);
/** Long enough for a machine that does other things too. */
const SLOW_MS = 120_000 + RUNS * 500;
const DIRECTORY = '/data';
const SEGMENT = 8192;

export async function openStore(disk: FaultyDisk, clock?: () => number): Promise<EventStore> {
  const log = await Log.open({
    files: disk,
    directory: DIRECTORY,
    segmentSize: SEGMENT,
    segmentRecords: 1000,
    report: () => {},
  });
  let now = 1_700_000_000_000_000;
  return new EventStore(log, { streamCache: 100, idempotencyWindow: 10_000, now: clock ?? (() => ++now) });
}

function idOf(name: string): Buffer {
  const id = Buffer.alloc(16, 1);
  id.write(name.padEnd(16, '_'), 'latin1');
  return id;
}

const proposed = (id: string, size = 20): ProposedEvent => ({
  id: idOf(id),
  type: 'test',
  json: true,
  metadata: NO_BYTES,
  data: Buffer.alloc(size, 0x61),
});

const append = (
  store: EventStore,
  stream: string,
  expected: Expected,
  ids: readonly string[],
): Promise<AppendResult> =>
  new Promise((done) =>
    store.append(
      stream,
      expected,
      ids.map((id) => proposed(id)),
      done,
    ),
  );

const remove = (
  store: EventStore,
  stream: string,
  expected: Expected,
  forGood: boolean,
): Promise<AppendResult> => new Promise((done) => store.delete(stream, expected, forGood, done));

const setMetadata = (store: EventStore, stream: string, json: object): Promise<AppendResult> =>
  new Promise((done) =>
    store.append(
      metastreamOf(stream),
      'any',
      [newEvent(METADATA_TYPE, true, Buffer.from(JSON.stringify(json)))],
      done,
    ),
  );

function readAll(
  store: EventStore,
  stream: string,
): 'missing' | 'deleted' | { id: string; revision: number }[] {
  const reader = new RecordReader(store.log);
  const found: { id: string; revision: number }[] = [];
  for (let next = 0; ; ) {
    const slice = store.readForwards(stream, next, 3, reader);
    if (slice.state !== 'exists') return slice.state;
    for (const record of slice.records) {
      found.push({ id: record.id.toString('latin1').replace(/_+$/, ''), revision: record.revision });
    }
    if (slice.end) return found;
    next = slice.next;
  }
}

function readBackwards(store: EventStore, stream: string): number[] {
  const reader = new RecordReader(store.log);
  const found: number[] = [];
  for (let next: number | 'end' = 'end'; ; ) {
    const slice = store.readBackwards(stream, next, 3, reader);
    found.push(...slice.records.map((record) => record.revision));
    if (slice.end) return found;
    next = slice.next;
  }
}

/** What of an append's result the model speaks of. */
function outcome(result: AppendResult): object {
  if (result.kind === 'appended') return { kind: 'appended', revision: result.revision };
  return result;
}

const STREAMS = ['a-1', 'a-2', 'b-1'];
const streamName = fc.constantFrom(...STREAMS);
const expectedRevision = fc.oneof(
  fc.constantFrom<Expected>('any', 'no_stream', 'stream_exists'),
  fc.integer({ min: 0, max: 8 }),
);
const eventIds = fc.array(fc.integer({ min: 0, max: 12 }).map(String), { minLength: 1, maxLength: 4 });

type Step =
  | { readonly op: 'append'; readonly stream: string; readonly expected: Expected; readonly ids: string[] }
  | { readonly op: 'delete'; readonly stream: string; readonly expected: Expected }
  | { readonly op: 'tombstone'; readonly stream: string; readonly expected: Expected }
  | {
      readonly op: 'metadata';
      readonly stream: string;
      readonly maxCount: number;
      readonly truncateBefore: number;
    }
  | { readonly op: 'reopen' }
  | { readonly op: 'scavenge' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      op: fc.constant('append' as const),
      stream: streamName,
      expected: expectedRevision,
      ids: eventIds,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('delete' as const),
      stream: streamName,
      expected: expectedRevision,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('tombstone' as const),
      stream: streamName,
      expected: expectedRevision,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('metadata' as const),
      stream: streamName,
      maxCount: fc.integer({ min: 1, max: 6 }),
      truncateBefore: fc.integer({ min: 0, max: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ op: 'reopen' as const }) },
  { weight: 1, arbitrary: fc.constant({ op: 'scavenge' as const }) },
);

async function runScavenge(store: EventStore, disk: FaultyDisk): Promise<void> {
  await scavenge(store.log, {
    files: disk,
    directory: DIRECTORY,
    segmentSize: SEGMENT,
    judge: (record) => judge(store, record),
    isStopped: () => false,
    progress: () => {},
  });
}

describe('the event store against the model', () => {
  it(
    'answers every sequence of appends, deletes, metadata, restarts and scavenges alike',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 1, maxLength: 40 }),
          fc.boolean(),
          async (steps, doScavenge) => {
            const disk = new FaultyDisk(random(1));
            let store = await openStore(disk);
            const model = new Model();
            for (const one of steps) {
              if (one.op === 'append') {
                expect(outcome(await append(store, one.stream, one.expected, one.ids))).toEqual(
                  model.append(one.stream, one.expected, one.ids),
                );
              } else if (one.op === 'delete' || one.op === 'tombstone') {
                const forGood = one.op === 'tombstone';
                expect(outcome(await remove(store, one.stream, one.expected, forGood))).toEqual(
                  model.delete(one.stream, one.expected, forGood),
                );
              } else if (one.op === 'metadata') {
                const { maxCount, truncateBefore } = one;
                const result = await setMetadata(store, one.stream, {
                  $maxCount: maxCount,
                  $tb: truncateBefore,
                });
                expect(result.kind === 'appended' ? 'ok' : result.kind).toBe(
                  model.setMetadata(one.stream, { maxCount, truncateBefore }),
                );
              } else if (one.op === 'reopen') {
                await store.log.close();
                store = await openStore(disk);
              } else if (doScavenge && steps.indexOf(one) === steps.length - 1) {
                // Only at the end: what is gone is not known as a retry any more, which the model does not speak of.
                await runScavenge(store, disk);
              }
              for (const stream of STREAMS) {
                const expected = model.read(stream);
                expect(readAll(store, stream)).toEqual(expected);
                if (Array.isArray(expected)) {
                  expect(readBackwards(store, stream)).toEqual(
                    expected.map((event) => event.revision).reverse(),
                  );
                }
              }
            }
            await store.log.close();
          },
        ),
        { numRuns: RUNS },
      );
    },
    SLOW_MS,
  );

  it(
    'keeps each append whole and each stream in order when clients write at the same time',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({ stream: streamName, count: fc.integer({ min: 1, max: 5 }), exact: fc.boolean() }),
            {
              minLength: 2,
              maxLength: 30,
            },
          ),
          async (appends) => {
            const store = await openStore(new FaultyDisk(random(2)));
            const order: { stream: string; first: number; last: number; ids: string[] }[] = [];
            await Promise.all(
              appends.map(async ({ stream, count, exact }, n) => {
                const ids = Array.from({ length: count }, (_, k) => `${n}.${k}`);
                const result = await append(store, stream, exact ? 'no_stream' : 'any', ids);
                if (result.kind === 'appended') {
                  order.push({ stream, first: result.revision - count + 1, last: result.revision, ids });
                }
              }),
            );
            // Linearizable per stream: the answers, put in the order of their revisions, are exactly what is read.
            for (const stream of STREAMS) {
              const expected = order
                .filter((one) => one.stream === stream)
                .sort((a, b) => a.first - b.first)
                .flatMap(({ ids, first }) => ids.map((id, n) => ({ id, revision: first + n })));
              expect(readAll(store, stream)).toEqual(expected.length === 0 ? 'missing' : expected);
              expect(
                order.filter((one) => one.stream === stream && one.first === 0).length,
              ).toBeLessThanOrEqual(1);
            }
            await store.log.close();
          },
        ),
        { numRuns: RUNS },
      );
    },
    SLOW_MS,
  );

  it('answers concurrent identical appends alike, and writes them once', async () => {
    const store = await openStore(new FaultyDisk(random(3)));
    const results = await Promise.all(
      Array.from({ length: 10 }, () => append(store, 's', 'no_stream', ['x', 'y'])),
    );
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
    expect(readAll(store, 's')).toHaveLength(2);
  });
});

it('a retry by exact revision is known while the original is on its way, also when an id came twice', async () => {
  const store = await openStore(new FaultyDisk(random(3)));
  const [, known, unknown] = await Promise.all([
    append(store, 's', 'any', ['0', '1', '1']),
    append(store, 's', 0, ['1']),
    append(store, 's', 0, ['0']),
  ]);
  expect(outcome(known)).toEqual({ kind: 'appended', revision: 1 });
  expect(outcome(unknown)).toEqual({ kind: 'wrong-expected-version', current: 2 });
});

describe('$maxAge', () => {
  it('hides events as they grow old, and a scavenge takes them', async () => {
    const disk = new FaultyDisk(random(6));
    let now = 1_700_000_000_000_000;
    const store = await openStore(disk, () => now);
    await setMetadata(store, 's', { $maxAge: 10 });
    for (const id of ['a', 'b', 'c']) {
      await append(store, 's', 'any', [id]);
      now += 4_000_000;
    }
    // Twelve, eight and four seconds old.
    expect(readAll(store, 's')).toEqual([
      { id: 'b', revision: 1 },
      { id: 'c', revision: 2 },
    ]);
    expect(readBackwards(store, 's')).toEqual([2, 1]);
    now += 60_000_000;
    expect(readAll(store, 's')).toEqual([]);
    await runScavenge(store, disk);
    const bytes = disk.files.map((file) => disk.content(file).toString('latin1')).join('');
    expect(bytes).not.toContain('b_______________');
    // Numbering goes on, also for a server that does not remember where it was.
    await store.log.close();
    const again = await openStore(disk, () => now);
    expect(outcome(await append(again, 's', 2, ['d']))).toEqual({ kind: 'appended', revision: 3 });
    expect(readAll(again, 's')).toEqual([{ id: 'd', revision: 3 }]);
  });
});

describe('a scavenge', () => {
  it('leaves no byte of what was deleted or cut off in any file', async () => {
    const disk = new FaultyDisk(random(4));
    const store = await openStore(disk);
    const secret = (n: number): ProposedEvent => ({
      ...proposed(`s${n}`),
      data: Buffer.from(`SECRET-${n}-CANARY`),
    });
    const write = (stream: string, n: number): Promise<AppendResult> =>
      new Promise((done) => store.append(stream, 'any', [secret(n)], done));
    for (let n = 0; n < 60; n++) await write(['gone', 'soft', 'cut', 'kept'][n % 4] ?? '', n);
    await remove(store, 'gone', 'any', true);
    await remove(store, 'soft', 'any', false);
    await setMetadata(store, 'cut', { $tb: 1000 });
    await runScavenge(store, disk);
    const kept = readAll(store, 'kept');
    const bytes = disk.files.map((file) => disk.content(file).toString('latin1')).join('');
    const left = [...bytes.matchAll(/SECRET-(\d+)-CANARY/g)].map((match) => Number(match[1]) % 4);
    expect(new Set(left)).toEqual(new Set([3]));
    expect(kept).toHaveLength(15);
    // Numbering goes on, and what is told of the streams is the same after a restart.
    expect(outcome(await append(store, 'cut', 14, ['new']))).toEqual({ kind: 'appended', revision: 15 });
    expect(outcome(await append(store, 'soft', 'any', ['new']))).toEqual({ kind: 'appended', revision: 15 });
    await store.log.close();
    const again = await openStore(disk);
    expect(readAll(again, 'kept')).toEqual(kept);
    expect(readAll(again, 'gone')).toBe('deleted');
    expect(readAll(again, 'soft')).toEqual([{ id: 'new', revision: 15 }]);
  });

  it('changes no position and no order in $all', async () => {
    const disk = new FaultyDisk(random(5));
    const store = await openStore(disk);
    for (let n = 0; n < 200; n++) await append(store, n % 2 === 0 ? 'even' : 'odd', 'any', [String(n)]);
    const reader = new RecordReader(store.log);
    const all = (): number[] => {
      const positions: number[] = [];
      for (let next = 0; ; ) {
        const slice = store.readAllForwards(next, 7, reader);
        positions.push(
          ...slice.records.filter((record) => record.stream === 'odd').map((record) => record.position),
        );
        if (slice.end) return positions;
        next = slice.next;
      }
    };
    const before = all();
    await remove(store, 'even', 'any', true);
    await runScavenge(store, disk);
    expect(all()).toEqual(before);
    const backwards = store.readAllBackwards(Number.MAX_SAFE_INTEGER, 1000, reader);
    expect(
      backwards.records.filter((record) => record.stream === 'odd').map((record) => record.position),
    ).toEqual(before.toReversed());
    const middle = before[50] ?? 0;
    expect(store.readAllForwards(middle, 1, reader).records[0]?.position).toBe(middle);
  });
});
