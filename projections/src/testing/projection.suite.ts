import { newUserId, tenantId, type UserId } from '@oo/contracts';
import {
  ALL_PARTITIONS,
  type ArrivedEvent,
  foldBatch,
  type GivenEvent,
  type History,
  InMemoryReadModel,
  type ProjectionDefinition,
  parseStored,
  type Row,
  recorded,
  refold,
} from '@oo/event-sourcing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVENT_TYPES, sampleOf } from './samples.js';

const PEOPLE = [1, 2].map((seed) => newUserId(tenantId('home'), new Uint8Array(16).fill(seed))) as [
  UserId,
  UserId,
];

/** What may happen: events of every type, some of which belong together, to two people. */
const happenings = fc.array(
  fc.record({ person: fc.nat(1), type: fc.constantFrom(...EVENT_TYPES), n: fc.nat(2) }),
  { minLength: 1, maxLength: 25 },
);
type Happening = { readonly person: number; readonly type: (typeof EVENT_TYPES)[number]; readonly n: number };

const givenOf = ({ person, type, n }: Happening): GivenEvent => ({
  ...sampleOf(type, n),
  user: PEOPLE[person] ?? PEOPLE[0],
});

/**
 * What every read model has to hold, written once. All that are registered are held to it, so whoever adds one
 * inherits these tests and writes their own given and then beside them.
 */
export function projectionSuite(name: string, projection: ProjectionDefinition): void {
  describe(`read model ${name}`, () => {
    it('has the name that it is registered under', () => expect(projection.name).toBe(name));

    it('has tables, and reads something', () => {
      expect(projection.tables.length).toBeGreaterThan(0);
      expect(projection.reads.size).toBeGreaterThan(0);
      expect(EVENT_TYPES).toEqual(expect.arrayContaining([...projection.reads]));
    });

    it('makes something of what it reads', async () => {
      const given = EVENT_TYPES.map((type) => givenOf({ person: 0, type, n: 1 }));
      const { rows, parked } = await foldOf(projection, recorded(given));
      expect(parked).toEqual([]);
      const changes = recorded(given)
        .filter(({ type }) => projection.reads.has(type))
        .flatMap((event) => projection.apply(parseStored(event)));
      expect(changes.length).toBeGreaterThan(0);
      expect(Object.keys(rows)).toEqual(projection.tables.map((table) => table.name));
    });

    it('has an apply that is pure: it changes nothing that it is given, and says the same again', () => {
      fc.assert(
        fc.property(happenings, (all) => {
          for (const event of recorded(all.map(givenOf))) {
            if (!projection.reads.has(event.type)) continue;
            const parsed = deepFrozen(parseStored(event));
            expect(projection.apply(parsed)).toEqual(projection.apply(parsed));
          }
        }),
      );
    });

    it('comes to the same rows in one batch, event by event, with everything twice, and folded anew', async () => {
      await fc.assert(
        fc.asyncProperty(happenings, async (all) => {
          const events = recorded(all.map(givenOf));
          const atOnce = await foldOf(projection, events);
          expect(atOnce.parked).toEqual([]);
          expect(await foldOf(projection, events, { batch: 1 })).toEqual(atOnce);
          expect(await foldOf(projection, events, { batch: 2, twice: true })).toEqual(atOnce);
          expect(await foldOf(projection, events, { anew: true })).toEqual(atOnce);
        }),
        { numRuns: 40 },
      );
    });

    it('keeps people apart: what happens to one changes no row of another', async () => {
      await fc.assert(
        fc.asyncProperty(happenings, async (all) => {
          const events = recorded(all.map(givenOf));
          const mine = events.filter(({ stream }) => stream.endsWith(PEOPLE[0]));
          const alone = await foldOf(projection, mine);
          const together = await foldOf(projection, events);
          for (const { name: table } of projection.tables) {
            expect(together.rows[table]?.filter(({ user_id }) => user_id === PEOPLE[0])).toEqual(
              alone.rows[table],
            );
          }
        }),
        { numRuns: 40 },
      );
    });
  });
}

interface Delivery {
  readonly batch?: number;
  readonly twice?: boolean;
  readonly anew?: boolean;
}

async function foldOf(
  projection: ProjectionDefinition,
  events: readonly ArrivedEvent[],
  { batch = events.length, twice = false, anew = false }: Delivery = {},
): Promise<{ readonly rows: Record<string, readonly Row[]>; readonly parked: readonly unknown[] }> {
  const readModel = new InMemoryReadModel(projection);
  const context = { projection, partitions: ALL_PARTITIONS, history: historyOf(events) };
  let before = -1n;
  for (let from = 0; from < events.length; from += batch) {
    const part = events.slice(from, from + batch);
    const through = part.at(-1)?.position ?? before;
    for (let time = 0; time < (twice ? 2 : 1); time++) {
      const what = { events: part, before, through };
      await readModel.transaction((transaction) => foldBatch(context, transaction, what));
      before = through;
    }
  }
  if (anew) {
    for (const user of PEOPLE) {
      await readModel.transaction((transaction) => refold(context, transaction, user, before));
    }
  }
  return {
    rows: Object.fromEntries(projection.tables.map((table) => [table.name, readModel.rows(table)])),
    parked: readModel.parked(),
  };
}

function historyOf(events: readonly ArrivedEvent[]): History {
  return {
    head: async () => events.at(-1)?.position,
    async *readAll(after = -1n) {
      yield events.filter(({ position }) => position > after);
    },
    async *readStream(stream, from) {
      yield events.filter((event) => event.stream === stream && event.revision >= from);
    },
  };
}

function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFrozen(inner);
  }
  return value;
}
