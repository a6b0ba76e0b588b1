import { epochMs } from '@oo/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { happeningSchema } from '../records.js';
import { DAY_MS, HOUR_MS, localMinuteOf } from './calendar.js';
import { dayOf } from './day.js';
import { ERRANDS, WORDS } from './errands.js';
import { life, lifeFrom, openTasks } from './life.js';
import { momentAt } from './moment.js';
import { personOf } from './person.js';

const START = Date.UTC(2026, 1, 2);
const seed = fc.string({ maxLength: 20 });
const offset = fc.integer({ min: -720, max: 840 });
const moment = fc.integer({ min: 0, max: 60 * 24 }).map((hours) => START + hours * HOUR_MS);
const runs = { numRuns: 25 };

describe('a life', () => {
  it('is the same for the same seed and another for another one', () => {
    fc.assert(
      fc.property(seed, seed, offset, (one, other, zone) => {
        const played = (name: string) => life(personOf(name, zone), START, START + 2 * DAY_MS);
        expect(played(one)).toEqual(played(one));
        if (one !== other) expect(played(one)).not.toEqual(played(other));
      }),
      runs,
    );
  });

  it('is the same in pieces as in one', () => {
    fc.assert(
      fc.property(seed, offset, moment, moment, moment, (name, zone, ...moments) => {
        const person = personOf(name, zone);
        const [from = 0, middle = 0, until = 0] = moments.sort((a, b) => a - b);
        const pieces = [...life(person, from, middle), ...life(person, middle, until)];
        expect(pieces).toEqual(life(person, from, until));
      }),
      runs,
    );
  });

  it('goes on without an end', () => {
    const person = personOf('on', 0);
    const whole = life(person, START, START + 10 * DAY_MS);
    const endless = lifeFrom(person, START);
    expect(whole.map(() => endless.next().value)).toEqual(whole);
  });

  it('is in order, in whole seconds, and made of records that the provider can send', () => {
    fc.assert(
      fc.property(seed, offset, (name, zone) => {
        const happenings = life(personOf(name, zone), START, START + 3 * DAY_MS);
        const times = happenings.map(({ at }) => epochMs(at));
        expect(times).toEqual([...times].sort((a, b) => a - b));
        for (const happening of happenings) {
          expect(epochMs(happening.at) % 1000).toBe(0);
          expect(happeningSchema.parse(happening)).toEqual(happening);
        }
      }),
      runs,
    );
  });

  it('closes only tasks that are open, and opens none twice', () => {
    fc.assert(
      fc.property(seed, offset, (name, zone) => {
        const person = personOf(name, zone);
        const open = new Set(openTasks(person, START).map(({ id }) => id));
        for (const happening of life(person, START + 1, START + 20 * DAY_MS)) {
          if (happening.kind === 'task-created') {
            expect(open).not.toContain(happening.task.id);
            open.add(happening.task.id);
          }
          if (happening.kind === 'task-changed') expect(open).toContain(happening.task.id);
          if (happening.kind === 'task-done' || happening.kind === 'task-deleted') {
            expect(open.delete(happening.taskId)).toBe(true);
          }
        }
        expect([...open].sort()).toEqual(
          openTasks(person, START + 20 * DAY_MS - 1)
            .map(({ id }) => id)
            .sort(),
        );
      }),
      { numRuns: 8 },
    );
  });

  it('has about a signal each half hour of the day, and always something left to do', () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      const person = personOf(name, 60);
      const perDay = life(person, START, START + 28 * DAY_MS).length / 28;
      expect(perDay).toBeGreaterThan(20);
      expect(perDay).toBeLessThan(45);
      for (let day = 0; day < 28; day++) {
        const tasks = openTasks(person, START + day * DAY_MS).length;
        expect(tasks).toBeGreaterThan(2);
        expect(tasks).toBeLessThan(40);
      }
    }
  });

  it('sleeps at night, and differs between workdays and weekends', () => {
    fc.assert(
      fc.property(seed, offset, (name, zone) => {
        const person = personOf(name, zone);
        for (const { kind, at } of life(person, START, START + 7 * DAY_MS)) {
          const minute = localMinuteOf(epochMs(at), zone);
          expect(minute < 2 * 60 || minute > 5 * 60, `${kind} at ${at}`).toBe(true);
        }
      }),
      runs,
    );
    // 2 February 2026 is a Monday, 20486 days after 1970 began.
    const person = personOf('week', 0);
    const monday = START / DAY_MS;
    const weeks = Array.from({ length: 8 }, (_, week) => monday + 7 * week);
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const wake = (day: number) => localMinuteOf(dayOf(person, day).awake.from, 0);
    const meetings = (day: number) => dayOf(person, day).appointments.length;
    expect(mean(weeks.map((day) => wake(day + 5)))).toBeGreaterThan(mean(weeks.map(wake)) + 20);
    expect(mean(weeks.map(meetings))).toBeGreaterThan(mean(weeks.map((day) => meetings(day + 5))));
  });

  it('has appointments that do not overlap, made before they begin', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 20_000, max: 21_000 }), (name, day) => {
        const { appointments } = dayOf(personOf(name, 0), day);
        for (const [index, { from, until, madeAt, cancelledAt }] of appointments.entries()) {
          expect(from).toBeGreaterThanOrEqual(appointments[index - 1]?.until ?? 0);
          expect(until).toBeGreaterThan(from);
          expect(madeAt).toBeLessThan(cancelledAt ?? from);
        }
      }),
    );
  });
});

describe('a moment', () => {
  it('is free or busy or asleep, and has an energy within its bounds', () => {
    fc.assert(
      fc.property(seed, offset, moment, (name, zone, ms) => {
        const { awake, busy, freeMinutes, energy } = momentAt(personOf(name, zone), ms);
        expect(freeMinutes > 0).toBe(awake && !busy);
        expect(Math.abs(energy)).toBeLessThanOrEqual(2);
      }),
    );
  });
});

describe('errands', () => {
  it('are at least sixty, all different, with words for each gap', () => {
    const titles = ERRANDS.map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
    expect(titles.length).toBeGreaterThanOrEqual(60);
    for (const [, gap = ''] of titles.join().matchAll(/\{(\w+)\}/g))
      expect(Object.keys(WORDS)).toContain(gap);
  });
});
