import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CHECKPOINT_BEHIND_ROWS,
  MEMORY_IS_FOLD,
  NO_COMMAND_LOST,
  NO_EFFECT_TWICE,
  ONE_ACTIVE_TIP,
  RELAYED_IN_ORDER,
  ROWS_ARE_FOLD,
  SETTLES,
  SNAPSHOT_IS_FOLD,
} from './invariants.js';
import { MUTATIONS, type Mutation, type MutationName } from './mutations.js';
import { LockStep } from './recommender.js';
import { type Run, World } from './world.js';

/** As many as half a minute of an idle machine has room for; `npm run simulate` plays any number. */
const SEEDS = 200;
/** Seeds beyond them that have found something once. What they play changes with the code; so do their faults. */
const FOUND = [253, 1683, 5413, 6434, 6569];
/** Within so many seeds a broken part has to show. */
const SOON = 20;

let lockStep: LockStep;
beforeAll(() => {
  lockStep = new LockStep();
});
afterAll(() => lockStep?.close());

const play = (seed: number, mutation?: Mutation): Promise<Run> => new World(seed, lockStep, mutation).run();

describe('with every kind of fault', () => {
  // In portions, so that a slow machine has the time-out of each.
  const portions = Array.from({ length: SEEDS / 10 }, (_, portion) => portion * 10 + 1);
  it.each(portions)(
    'ten seeds from %i on violate nothing',
    async (first) => {
      for (let seed = first; seed < first + 10; seed++) {
        const { violation, events, acknowledged } = await play(seed);
        expect({ seed, violation: violation?.message }).toEqual({ seed, violation: undefined });
        expect(events).toBeGreaterThan(0);
        expect(acknowledged).toBeGreaterThan(0);
      }
    },
    300_000,
  );

  it.each(FOUND)(
    'seed %i, which found something once, violates nothing',
    async (seed) => {
      expect((await play(seed)).violation?.message).toBeUndefined();
    },
    120_000,
  );

  it('a seed replays exactly', async () => {
    const [one, other] = [await play(8), await play(8)];
    expect(other).toEqual(one);
    expect((await play(9)).digest).not.toBe(one.digest);
  }, 120_000);
});

/** What each broken part does wrong, by the invariants that may see it first. */
const SHOWS: Record<MutationName, readonly string[]> = {
  'the expected revision is not looked at': [NO_EFFECT_TWICE, NO_COMMAND_LOST],
  'a command is not looked up': [NO_EFFECT_TWICE, NO_COMMAND_LOST],
  'a command is acknowledged before it is appended': [NO_COMMAND_LOST],
  'the checkpoint is written first': [CHECKPOINT_BEHIND_ROWS],
  'an event is applied whatever its revision': [ROWS_ARE_FOLD, CHECKPOINT_BEHIND_ROWS],
  'the relay does not say what it expects': [RELAYED_IN_ORDER],
  'the relay sends nothing': [SETTLES],
  'a snapshot has forgotten the state': [SNAPSHOT_IS_FOLD, ONE_ACTIVE_TIP],
  'the recommender is told something else': [MEMORY_IS_FOLD],
};

describe('broken on purpose', () => {
  it.each(Object.keys(MUTATIONS) as MutationName[])(
    '%s: is caught',
    async (name) => {
      let caught: Run | undefined;
      for (let seed = 1; seed <= SOON && caught === undefined; seed++) {
        const run = await play(seed, MUTATIONS[name]);
        if (run.violation !== undefined) caught = run;
      }
      expect(SHOWS[name]).toContain(caught?.violation?.invariant);
    },
    300_000,
  );
});
