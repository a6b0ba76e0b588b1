import { newUserId, streamOf, tenantId } from '@oo/contracts';
import { describe, expect, it } from 'vitest';
import { StreamGone } from '../event-store/errors.js';
import { upsert } from './changes.js';
import { commitBatch, commitRefold } from './commit.js';
import { effectsOf } from './effects.js';
import { foldBatch, refold } from './fold.js';
import type { ArrivedEvent, History } from './history.js';
import { InMemoryReadModel } from './in-memory-read-model.js';
import { ALL_PARTITIONS, type PartitionSet, partitionOfOwner } from './partitions.js';
import { defineProjection } from './projection.js';
import { CheckpointWentBack, type ReadModelTransaction, RowRefused } from './read-model.js';
import type { TableWrite } from './row-set.js';
import { type GivenEvent, recorded } from './specification.js';
import { table } from './tables.js';

// Of two partitions.
const [ada, bob] = [1, 3].map((seed) => newUserId(tenantId('home'), new Uint8Array(16).fill(seed))) as [
  ReturnType<typeof newUserId>,
  ReturnType<typeof newUserId>,
];
const moods = table({
  name: 'moods',
  columns: { user_id: 'text not null', valence: 'integer not null' },
  key: ['user_id'],
});

function projectionThat(refuses: (valence: number) => boolean) {
  return defineProjection({
    name: 'moods',
    version: 1,
    tables: [moods],
    reads: ['MoodReported'],
    apply: ({ data, metadata }) => {
      if (refuses(data.valence)) throw new Error(`no room for ${data.valence}`);
      return [upsert(moods, { user_id: metadata.userId, valence: data.valence })];
    },
  });
}

const mood = (user: typeof ada, valence: number): GivenEvent => ({
  user,
  type: 'MoodReported',
  data: { valence, energy: 0 },
});

class Scene {
  readonly events: ArrivedEvent[];
  readonly readModel: InMemoryReadModel;
  readonly history: History;

  constructor(
    given: readonly GivenEvent[],
    private projection = projectionThat(() => false),
    private readonly partitions: PartitionSet = ALL_PARTITIONS,
    kept: (event: ArrivedEvent) => boolean = () => true,
  ) {
    this.events = recorded(given);
    this.readModel = new InMemoryReadModel(projection);
    const stored = this.events.filter(kept);
    this.history = {
      head: async () => stored.at(-1)?.position,
      async *readAll() {
        yield stored;
      },
      async *readStream(stream, from) {
        yield stored.filter((event) => event.stream === stream && event.revision >= from);
      },
    };
  }

  with(projection: ReturnType<typeof projectionThat>): this {
    this.projection = projection;
    return this;
  }

  get context() {
    return { projection: this.projection, partitions: this.partitions, history: this.history };
  }

  async fold(indexes: readonly number[]) {
    const events = indexes.map((index) => this.events[index]).filter((event) => event !== undefined);
    const batch = { events, before: -1n, through: events.at(-1)?.position ?? -1n };
    return this.readModel.transaction((transaction) => foldBatch(this.context, transaction, batch));
  }

  valences() {
    return valencesOf(this.readModel);
  }
}

function valencesOf(readModel: InMemoryReadModel) {
  return Object.fromEntries(readModel.rows(moods).map(({ user_id, valence }) => [user_id, valence]));
}

describe('the revision guard', () => {
  it('drops what was handled', async () => {
    const scene = new Scene([mood(ada, 1), mood(ada, 2)]);
    await scene.fold([0, 1]);
    expect(await scene.fold([0])).toMatchObject({ duplicates: 1, applied: 0 });
    expect(scene.valences()).toEqual({ [ada]: 2 });
  });

  it('fills a gap from the store before it goes on', async () => {
    const scene = new Scene([mood(ada, 0), mood(ada, 1), mood(ada, 2)]);
    expect(await scene.fold([2])).toMatchObject({ refilled: 2, applied: 3, refolded: 0 });
    expect(scene.valences()).toEqual({ [ada]: 2 });
    expect(await scene.fold([0, 1])).toMatchObject({ duplicates: 2 });
  });

  it('passes a gap where the store has nothing any more', async () => {
    const scene = new Scene(
      [mood(ada, 0), mood(ada, 1)],
      undefined,
      ALL_PARTITIONS,
      (event) => event.revision > 0n,
    );
    expect(await scene.fold([1])).toMatchObject({ refilled: 0, applied: 1 });
  });

  it('passes a gap in a stream that was deleted for good', async () => {
    const scene = new Scene([mood(ada, 0), mood(ada, 1)]);
    scene.history.readStream = (stream) => {
      throw new StreamGone(stream);
    };
    expect(await scene.fold([1])).toMatchObject({ refilled: 0, applied: 1 });
  });
});

it('does not go on in tables that were made anew behind its back', async () => {
  const scene = new Scene([mood(ada, 1), mood(bob, 1)]);
  // A worker that stands behind ada's event, and tables that another worker has made again since.
  const batch = { events: scene.events.slice(1), before: 10n, through: 20n };
  await expect(commitBatch(scene.context, scene.readModel, batch)).rejects.toThrow(CheckpointWentBack);
  expect(await scene.readModel.position(ALL_PARTITIONS)).toBe(-1n);
  await scene.fold([0, 1]);
  expect(scene.valences()).toEqual({ [ada]: 1, [bob]: 1 });
});

it('takes what events do as it was worked out before, refusals too, and asks no second time', async () => {
  const given = [mood(ada, 0), mood(bob, 0), mood(ada, 2), mood(bob, 1), mood(ada, 1)];
  let asked = 0;
  const counted = projectionThat((valence) => ++asked > 0 && valence === 2);
  const [alone, ahead] = [new Scene(given, counted), new Scene(given, counted)];
  const { events } = ahead;
  const batch = { events, before: -1n, through: events.at(-1)?.position ?? -1n };
  const folded = await commitBatch(alone.context, alone.readModel, { ...batch, events: alone.events });
  const effects = effectsOf(counted, events);
  asked = 0;
  expect(await commitBatch(ahead.context, ahead.readModel, { ...batch, effects })).toEqual(folded);
  expect(asked).toBe(0);
  expect(ahead.valences()).toEqual(alone.valences());
  expect(folded.parked.map(({ error }) => error)).toEqual(['no room for 2', null]);
});

it('makes rows anew as far as the checkpoint is, though who asks is behind it', async () => {
  const scene = new Scene(
    [mood(ada, 0), mood(ada, 2), mood(ada, 1)],
    projectionThat((valence) => valence === 2),
  );
  await scene.fold([0, 1]);
  // Another worker has put the third behind the second, which waits.
  await scene.fold([2]);
  scene.with(projectionThat(() => false));
  await commitRefold(scene.context, scene.readModel, ada, 20n);
  expect(scene.valences()).toEqual({ [ada]: 1 });
});

describe('an event that cannot be applied', () => {
  const given = [mood(ada, 0), mood(bob, 0), mood(ada, 2), mood(ada, 1), mood(bob, 1)];

  it('is parked with its error, its person waits behind it in order, and the others go on', async () => {
    const scene = new Scene(
      given,
      projectionThat((valence) => valence === 2),
    );
    const first = await scene.fold([0, 1, 2]);
    expect(first.parked).toMatchObject([{ owner: ada, revision: 1n, error: 'no room for 2' }]);
    await scene.fold([3, 4]);
    expect(scene.valences()).toEqual({ [ada]: 0, [bob]: 1 });
    expect(scene.readModel.parked()).toMatchObject([
      { owner: ada, position: 30n, error: 'no room for 2' },
      { owner: ada, position: 40n, error: null },
    ]);
    expect(await scene.readModel.position(ALL_PARTITIONS)).toBe(50n);
  });

  it('is applied with those behind it once the projection can', async () => {
    const scene = new Scene(
      given,
      projectionThat((valence) => valence === 2),
    );
    await scene.fold([0, 1, 2, 3, 4]);
    const mended = scene.with(projectionThat(() => false));
    await scene.readModel.transaction((transaction) => refold(mended.context, transaction, ada, 50n));
    expect(scene.valences()).toEqual({ [ada]: 1, [bob]: 1 });
    expect(scene.readModel.parked()).toEqual([]);
    expect(await scene.fold([3, 4])).toMatchObject({ duplicates: 2 });
  });

  describe('whose row the database refuses', () => {
    /** A database that has no room for one valence. */
    class Refusing extends InMemoryReadModel {
      override transaction<T>(work: (transaction: ReadModelTransaction) => Promise<T>): Promise<T> {
        return super.transaction((transaction) => work(refusing(transaction)));
      }
    }
    function refusing(transaction: ReadModelTransaction): ReadModelTransaction {
      return new Proxy(transaction, {
        get(target, name: keyof ReadModelTransaction) {
          if (name === 'write') {
            return async (write: TableWrite) => {
              if (write.upserts.some(({ valence }) => valence === 2)) throw new RowRefused('22000: no room');
              return target.write(write);
            };
          }
          if (name === 'attempt') {
            return (work: (inner: ReadModelTransaction) => Promise<unknown>) =>
              target.attempt((inner) => work(refusing(inner)));
          }
          return target[name].bind(target);
        },
      });
    }
    const each = table({
      name: 'each',
      columns: { user_id: 'text not null', position: 'bigint not null', valence: 'integer not null' },
      key: ['user_id', 'position'],
    });
    const projection = defineProjection({
      name: 'each',
      version: 1,
      tables: [each],
      reads: ['MoodReported'],
      apply: ({ data, metadata, position }) => [
        upsert(each, { user_id: metadata.userId, position, valence: data.valence }),
      ],
    });
    const scene = () => ({ made: new Scene(given, projection), readModel: new Refusing(projection) });
    const positionsOf = (readModel: InMemoryReadModel) =>
      readModel.rows(each).map(({ position }) => position);
    const events = (made: Scene, ...indexes: number[]) =>
      made.events.filter((_, index) => indexes.includes(index));

    it('is found in its batch, also where the store had to give it', async () => {
      for (const indexes of [
        [0, 1, 2, 3, 4],
        [1, 3, 4],
      ]) {
        const { made, readModel } = scene();
        const batch = { events: events(made, ...indexes), before: -1n, through: 50n };
        const { parked } = await commitBatch(made.context, readModel, batch);
        expect(parked).toMatchObject([
          { owner: ada, revision: 1n, error: '22000: no room' },
          { owner: ada, revision: 2n, error: null },
        ]);
        expect(positionsOf(readModel)).toEqual([10n, 20n, 50n]);
        expect(await readModel.position(ALL_PARTITIONS)).toBe(50n);
      }
    });

    it('stays parked when it is tried again in vain', async () => {
      const { made, readModel } = scene();
      await commitBatch(made.context, readModel, { events: made.events, before: -1n, through: 50n });
      await commitRefold(made.context, readModel, ada, 50n);
      expect(readModel.parked()).toHaveLength(2);
      expect(positionsOf(readModel)).toEqual([10n, 20n, 50n]);
    });
  });

  it('is any event whose payload cannot be read', async () => {
    const scene = new Scene([mood(ada, 0)]);
    const [event] = scene.events;
    if (event === undefined) throw new Error('no event');
    scene.events[0] = { ...event, data: { valence: 'glad' } };
    const { parked } = await scene.fold([0]);
    expect(parked[0]?.error).toContain('cannot read MoodReported');
  });

  it('is any event that would change a row of another person', async () => {
    const stray = defineProjection({
      name: 'moods',
      version: 1,
      tables: [moods],
      reads: ['MoodReported'],
      apply: ({ data }) => [upsert(moods, { user_id: bob, valence: data.valence })],
    });
    const { parked } = await new Scene([mood(ada, 0)], stray).fold([0]);
    expect(parked[0]?.error).toContain('would change a row of');
  });
});

it('leaves the people of other partitions alone', async () => {
  const scene = new Scene([mood(ada, 1), mood(bob, 1)], undefined, new Set([partitionOfOwner(bob)]));
  expect(await scene.fold([0, 1])).toMatchObject({ applied: 1 });
  expect(scene.valences()).toEqual({ [bob]: 1 });
});

it('tells which streams changed rows, and up to where', async () => {
  const { changed } = await new Scene([mood(ada, 1), mood(ada, 2)]).fold([0, 1]);
  expect(changed).toEqual([{ owner: ada, stream: streamOf('signals', ada), revision: 1n }]);
});

describe('an event that an operator has skipped', () => {
  const skip = (revision: bigint, projection = 'moods'): GivenEvent => ({
    user: ada,
    type: 'ParkedEventSkipped',
    data: {
      projection,
      stream: streamOf('signals', ada),
      revision,
      eventType: 'MoodReported',
      reason: 'no room',
    },
  });
  const refusing = () => projectionThat((valence) => valence === 2);

  it('is left out, and what waited behind it is applied', async () => {
    const scene = new Scene([mood(ada, 2), mood(ada, 1), mood(bob, 0), skip(0n)], refusing());
    expect(await scene.fold([0, 1, 2])).toMatchObject({ applied: 1, parked: [{ type: 'MoodReported' }, {}] });
    expect(await scene.fold([3])).toMatchObject({ refolded: 1, applied: 1, parked: [] });
    expect(scene.valences()).toEqual({ [ada]: 1, [bob]: 0 });
    expect(scene.readModel.parked()).toEqual([]);
  });

  it('is left out of a fold from nothing too, also where the code can apply it by then', async () => {
    const given = [mood(ada, 1), mood(ada, 2), skip(1n)];
    for (const projection of [refusing(), projectionThat(() => false)]) {
      const atOnce = new Scene(given, projection);
      await atOnce.fold([0, 1, 2]);
      const oneByOne = new Scene(given, projection);
      for (const index of [0, 1, 2]) await oneByOne.fold([index]);
      expect(atOnce.valences()).toEqual({ [ada]: 1 });
      expect(oneByOne.valences()).toEqual({ [ada]: 1 });
    }
  });

  it('stays in every other read model', async () => {
    const scene = new Scene([mood(ada, 1), skip(0n, 'others')]);
    expect(await scene.fold([0, 1])).toMatchObject({ applied: 1, refolded: 0 });
    expect(scene.valences()).toEqual({ [ada]: 1 });
  });

  it('is skipped also where the broker has left the word out', async () => {
    const scene = new Scene([mood(ada, 2), skip(0n), skip(7n, 'others')], refusing());
    await scene.fold([0]);
    expect(await scene.fold([2])).toMatchObject({ refilled: 1, refolded: 1, parked: [] });
    expect(scene.readModel.parked()).toEqual([]);
  });

  it('parks its person where this build cannot read what is skipped', async () => {
    const scene = new Scene([mood(ada, 1), skip(0n), mood(bob, 1)]);
    const [, word] = scene.events;
    if (word === undefined) throw new Error('no word');
    Object.assign(word, { data: { projection: 'moods' } });
    expect(await scene.fold([0, 1, 2])).toMatchObject({ parked: [{ type: 'ParkedEventSkipped' }, {}] });
    expect(scene.valences()).toEqual({ [bob]: 1 });
  });
});
