import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './calendar.js';
import { dayOf } from './day.js';
import { openTasks } from './life.js';
import { momentAt } from './moment.js';
import { type Person, personOf } from './person.js';
import { type ReachedTip, type Reaction, react } from './reaction.js';

const MONDAY = Date.UTC(2026, 1, 2);
const seed = fc.string({ maxLength: 12 });
const minute = fc.integer({ min: 0, max: 14 * 24 * 60 }).map((n) => MONDAY + n * MINUTE_MS);

function tipAt(person: Person, proposedAt: number, n = 0): ReachedTip {
  const task = openTasks(person, proposedAt)[n];
  const taskId = task?.id;
  return {
    tipId: `tip-${proposedAt}`,
    ref: `demo:task:${taskId}`,
    taskId,
    proposedAt,
    holdsUntil: proposedAt + 2 * HOUR_MS,
  };
}

describe('a reaction', () => {
  it('follows from its arguments, in order and within the tip’s time', () => {
    fc.assert(
      fc.property(seed, minute, (name, at) => {
        const person = personOf(name, 0);
        const tip = tipAt(person, at);
        const reaction = react(person, tip, []);
        expect(react(person, tip, [])).toEqual(reaction);
        const { seenAt, answer, keptAt } = reaction;
        if (seenAt === undefined) {
          expect(reaction).toEqual({});
          return;
        }
        expect(seenAt).toBeGreaterThan(at);
        expect(seenAt).toBeLessThan(tip.holdsUntil);
        if (answer !== undefined) {
          expect(answer.at).toBeGreaterThan(seenAt);
          expect(answer.at).toBeLessThan(tip.holdsUntil);
        }
        if (keptAt !== undefined) {
          expect(answer?.word).toBe('will-do');
          expect(keptAt).toBeGreaterThan(answer?.at ?? 0);
        }
      }),
    );
  });

  it('comes only from one who is awake and looks', () => {
    fc.assert(
      fc.property(seed, minute, (name, at) => {
        const person = personOf(name, 0);
        const { seenAt } = react(person, tipAt(person, at), []);
        if (seenAt === undefined) return;
        const { awake, onPage, onDevice } = momentAt(person, seenAt);
        expect(awake && (onPage || onDevice)).toBe(true);
      }),
    );
  });

  it('is quick when the page was just opened', () => {
    const person = personOf('looking', 0);
    const visits = Array.from({ length: 14 }, (_, day) => dayOf(person, MONDAY / DAY_MS + day).visits).flat();
    expect(visits.length).toBeGreaterThan(20);
    for (const { from } of visits) {
      const { seenAt = 0 } = react(person, tipAt(person, from), []);
      expect(seenAt - from).toBeLessThanOrEqual(5000);
    }
  });

  it('uses each word, and silence, over a while', () => {
    const words = new Set<string>();
    for (const name of ['a', 'b', 'c']) {
      const person = personOf(name, 0);
      for (let hour = 0; hour < 14 * 24; hour += 3) {
        const { seenAt, answer } = react(person, tipAt(person, MONDAY + hour * HOUR_MS, hour % 5), []);
        words.add(seenAt === undefined ? 'unseen' : (answer?.word ?? 'left'));
      }
    }
    expect([...words].sort()).toEqual(['done', 'later', 'left', 'no', 'unseen', 'will-do']);
  });

  it('wears off with nudges, and comes back after a rest', () => {
    const person = personOf('worn', 0);
    const visits = Array.from({ length: 28 }, (_, day) => dayOf(person, MONDAY / DAY_MS + day).visits).flat();
    const good = (earlierHours: number) => {
      const answers = visits.map(({ from }) => {
        const nudge: Reaction = {
          seenAt: from - earlierHours * HOUR_MS,
          answer: { word: 'no', at: from - HOUR_MS },
        };
        return react(person, tipAt(person, from), Array<Reaction>(6).fill(nudge)).answer?.word;
      });
      return answers.filter((word) => word === 'done' || word === 'will-do').length;
    };
    expect(good(1)).toBe(0);
    expect(good(96)).toBeGreaterThan(visits.length / 5);
  });
});
