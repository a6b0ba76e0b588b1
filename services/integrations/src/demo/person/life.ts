import { epochMs } from '@oo/contracts';
import type { ContextName, DeviceName, Happening, Task } from '../records.js';
import { DAY_MS, localDayOf, localMs, MINUTE_MS, wholeSecond } from './calendar.js';
import { type Day, dayOf, placeAt } from './day.js';
import { energyAt } from './moment.js';
import type { KeptHabit, Person } from './person.js';
import { LONGEST_TASK_MS, tasksOf } from './tasks.js';

/**
 * All that happens to a person from `from` up to, not including, `until` (milliseconds since 1970), in order, as
 * far as nobody nudges. Any stretch can be asked for alone: what lies in two stretches is the same in both.
 */
export function life(person: Person, from: number, until: number): Happening[] {
  const first = localDayOf(from, person.utcOffsetMinutes);
  const last = localDayOf(until, person.utcOffsetMinutes);
  const happenings: Happening[] = [];
  // A day goes on after midnight, and appointments are made the day before.
  for (let day = first - 1; day <= last + 1; day++)
    happenings.push(...dayHappenings(person, dayOf(person, day)));
  for (let day = first - LONGEST_TASK_MS / DAY_MS; day <= last; day++)
    happenings.push(...taskHappenings(person, day));
  return happenings
    .filter(({ at }) => epochMs(at) >= from && epochMs(at) < until)
    .sort((a, b) => compare(a.at, b.at) || compare(JSON.stringify(a), JSON.stringify(b)));
}

/** The same from `from` on, without an end. */
export function* lifeFrom(person: Person, from: number): Generator<Happening, never> {
  for (let start = from; ; start += WEEK_MS) yield* life(person, start, start + WEEK_MS);
}

const WEEK_MS = 7 * DAY_MS;

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** Tasks that are open at a moment (milliseconds since 1970), as they then stand. */
export function openTasks(person: Person, ms: number): Task[] {
  const today = localDayOf(ms, person.utcOffsetMinutes);
  const tasks: Task[] = [];
  for (let day = today - LONGEST_TASK_MS / DAY_MS; day <= today; day++) {
    for (const { createdAt, task, change, end } of tasksOf(person, day)) {
      if (createdAt <= ms && end.at > ms)
        tasks.push(change !== undefined && change.at <= ms ? change.task : task);
    }
  }
  return tasks;
}

function taskHappenings(person: Person, day: number): Happening[] {
  return tasksOf(person, day).flatMap(({ createdAt, task, change, end }): Happening[] => [
    { kind: 'task-created', at: wholeSecond(createdAt), task },
    ...(change === undefined
      ? []
      : [{ kind: 'task-changed', at: wholeSecond(change.at), task: change.task } as const]),
    { kind: end.kind, at: wholeSecond(end.at), taskId: task.id },
  ]);
}

function dayHappenings(person: Person, day: Day): Happening[] {
  const { utcOffsetMinutes } = person;
  const context = (context: ContextName, ms: number, device?: DeviceName): Happening => ({
    kind: 'context',
    at: wholeSecond(ms),
    context,
    place: placeAt(day, ms),
    utcOffsetMinutes,
    ...(device === undefined ? {} : { device }),
  });
  return [
    ...day.moves.map(({ at }) => context('place-changed', at)),
    ...day.visits.flatMap(({ from, until, device }) => [
      context('page-opened', from, device),
      context('page-closed', until, device),
    ]),
    ...day.uses.flatMap(({ from, until, device }) => [
      context('device-active', from, device),
      context('device-idle', until, device),
    ]),
    ...day.appointments.flatMap(({ appointment, madeAt, cancelledAt }): Happening[] => [
      { kind: 'appointment-made', at: wholeSecond(madeAt), appointment },
      ...(cancelledAt === undefined
        ? []
        : [{ kind: 'appointment-cancelled', at: wholeSecond(cancelledAt), appointment } as const]),
    ]),
    ...moods(person, day),
    ...person.habits.flatMap((kept) => habitCheck(person, day, kept)),
  ];
}

function moods(person: Person, day: Day): Happening[] {
  const { draws } = person;
  const moments = [day.awake.from + 41 * MINUTE_MS, localMs(day.day, 1185, person.utcOffsetMinutes)];
  return moments.flatMap((middle, index) => {
    const path = [day.day, 'mood', index] as const;
    if (!draws.chance(0.8, ...path)) return [];
    const ms = middle + draws.whole(-1500, 1500, ...path, 'at') * 1000;
    const energy = grade(energyAt(person, day, ms));
    const valence = grade(day.form + draws.around(0.5, 1.6, ...path, 'valence') + (index === 1 ? 0.2 : 0));
    return [{ kind: 'mood', at: wholeSecond(ms), valence, energy } as const];
  });
}

// Adding zero makes 0 of -0, which JSON could not tell.
const grade = (value: number) => Math.min(2, Math.max(-2, Math.round(value))) + 0;

function habitCheck(person: Person, day: Day, kept: KeptHabit): Happening[] {
  const { draws } = person;
  const done = keeps(person, kept, day.day);
  // Not every day without it is admitted.
  if (!done && draws.chance(0.5, day.day, 'silent', kept.habit.id)) return [];
  const minute = done ? kept.minute + draws.around(0, 40, day.day, 'habit', kept.habit.id) : 1290;
  const ms = Math.max(localMs(day.day, minute, person.utcOffsetMinutes), day.awake.from + 9 * MINUTE_MS);
  return [
    {
      kind: 'habit-checked',
      at: wholeSecond(ms),
      habit: kept.habit,
      done,
      streak: streakOf(person, kept, day.day),
    },
  ];
}

function keeps(person: Person, kept: KeptHabit, day: number): boolean {
  return person.draws.chance(kept.adherence, day, 'keeps', kept.habit.id);
}

/** Days in a row up to and including `day`, at most a year. */
function streakOf(person: Person, kept: KeptHabit, day: number): number {
  let streak = 0;
  while (streak < 365 && keeps(person, kept, day - streak)) streak++;
  return streak;
}
