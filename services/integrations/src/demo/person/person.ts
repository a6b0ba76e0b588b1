import type { Habit } from '../records.js';
import { type Draws, drawsOf } from './draws.js';

/** A habit that the person tries to keep. */
export interface KeptHabit {
  readonly habit: Habit;
  /** Minute after local midnight around which it is done. */
  readonly minute: number;
  /** How often it is kept, 0 to 1. */
  readonly adherence: number;
}

/** Who is played: fixed for a seed. Times are minutes after local midnight. */
export interface Person {
  readonly draws: Draws;
  readonly utcOffsetMinutes: number;
  readonly wake: number;
  /** How much later on weekends. */
  readonly weekendLater: number;
  readonly bed: number;
  /** Days of the week (0 is Sunday) that are spent at the office. */
  readonly officeDays: readonly number[];
  readonly commuteMinutes: number;
  readonly lunch: number;
  readonly energyPeak: number;
  readonly habits: readonly KeptHabit[];
  readonly tasksPerWorkday: number;
  /** Share of tasks that are done without anybody's nudge. */
  readonly diligence: number;
  readonly temper: Temper;
}

/** How the person takes a nudge. It shows only through answers. */
export interface Temper {
  /** Nudges weigh on the person until they are this many, then they are no longer looked at. */
  readonly patience: number;
  /** Hours after which a nudge weighs half. */
  readonly recoveryHours: number;
  /** Chance that a nudge outside of a page visit is noticed while a device is in use. */
  readonly notice: number;
  /** Below this energy (-2 to 2) nothing that takes effort is begun. */
  readonly effortFloor: number;
  /** Hours, at the most, until something promised is done. */
  readonly delayHours: number;
  /** Share of promises that are kept. */
  readonly word: number;
}

const HABITS: readonly [string, string, number][] = [
  ['stretch', 'Stretch for ten minutes', 7.4],
  ['vitamins', 'Take the vitamins', 7.8],
  ['spanish', 'Fifteen minutes of Spanish', 8.2],
  ['walk', 'Walk around the block after lunch', 13.2],
  ['water', 'Drink two litres of water', 17.5],
  ['run', 'Run, however short', 18.3],
  ['guitar', 'Practise the guitar', 19.5],
  ['tidy', 'Tidy up for ten minutes', 20.2],
  ['journal', 'Write three lines in the journal', 21.2],
  ['read', 'Read ten pages', 21.7],
];

export function personOf(seed: string, utcOffsetMinutes: number): Person {
  const draws = drawsOf(seed);
  const rank = ([id]: readonly [string, string, number]) => draws.unit('habit', id);
  const habits = [...HABITS].sort((a, b) => rank(a) - rank(b)).slice(0, 3);
  return {
    draws,
    utcOffsetMinutes,
    wake: draws.around(410, 45, 'wake'),
    weekendLater: draws.between(50, 110, 'weekend'),
    bed: draws.around(1375, 40, 'bed'),
    officeDays: [1, 2, 3, 4, 5].filter((day) => draws.chance(0.62, 'office', day)),
    commuteMinutes: draws.whole(18, 45, 'commute'),
    lunch: draws.around(745, 25, 'lunch'),
    energyPeak: draws.between(570, 690, 'peak'),
    habits: habits.map(([id, title, hour]) => ({
      habit: { id, title },
      minute: hour * 60,
      adherence: draws.between(0.45, 0.9, 'adherence', id),
    })),
    tasksPerWorkday: draws.between(2.6, 3.8, 'tasks'),
    diligence: draws.between(0.5, 0.75, 'diligence'),
    temper: {
      patience: draws.between(2.2, 4.2, 'patience'),
      recoveryHours: draws.between(3, 9, 'recovery'),
      notice: draws.between(0.35, 0.75, 'notice'),
      effortFloor: draws.between(-0.9, 0.2, 'effort'),
      delayHours: draws.between(2, 8, 'delay'),
      word: draws.between(0.55, 0.9, 'word'),
    },
  };
}
