import type { Task } from '../records.js';
import { DAY_MS, isWeekend, localDayOf, localMs, wholeSecond } from './calendar.js';
import { awakeOf, filled } from './day.js';
import { ERRANDS, type Errand, NOTES } from './errands.js';
import type { Person } from './person.js';

/** What becomes of a task when nobody nudges. */
export interface TaskLife {
  readonly errand: Errand;
  readonly createdAt: number;
  readonly task: Task;
  readonly change: { readonly at: number; readonly task: Task } | undefined;
  readonly end: { readonly at: number; readonly kind: 'task-done' | 'task-deleted' };
}

/** No task is open for longer than this. */
export const LONGEST_TASK_MS = 16 * DAY_MS;

/** Tasks that come up on a local day. */
export function tasksOf(person: Person, day: number): TaskLife[] {
  const { draws } = person;
  const rate = person.tasksPerWorkday * (isWeekend(day) ? 0.6 : 1);
  const count = Math.floor(rate + draws.unit(day, 'tasks'));
  return Array.from({ length: count }, (_, n) => taskLife(person, day, n));
}

/** The kind of task that an id of {@link tasksOf} stands for. */
export function errandOf(person: Person, taskId: string): Errand | undefined {
  const match = /^t(\d+)-(\d+)$/.exec(taskId);
  return match === null ? undefined : person.draws.pick(ERRANDS, Number(match[1]), 'task', Number(match[2]));
}

function taskLife(person: Person, day: number, n: number): TaskLife {
  const { draws, utcOffsetMinutes } = person;
  const path = [day, 'task', n] as const;
  const errand = draws.pick(ERRANDS, ...path);
  const awake = awakeOf(person, day);
  const createdAt = secondIn(
    awake.from + 45 * 60_000,
    awake.until - 90 * 60_000,
    draws.unit(...path, 'created'),
  );
  const local = (days: number, minute: number) => localMs(day + days, minute, utcOffsetMinutes);
  const dueDays = {
    never: undefined,
    today: 0,
    days: draws.whole(1, 4, ...path, 'due'),
    weeks: draws.whole(6, 12, ...path, 'due'),
  }[errand.due];
  const dueAt =
    dueDays === undefined ? undefined : Math.max(local(dueDays, 18 * 60), createdAt + 2 * 3_600_000);
  const urgent = errand.due === 'today' ? 0.45 : errand.due === 'days' ? 0.2 : 0.06;
  const weight = draws.unit(...path, 'priority');
  const task: Task = {
    id: `t${day}-${n}`,
    title: filled(errand.title, (words) => draws.pick(words, ...path, 'word')),
    notes: draws.chance(0.2, ...path, 'notes') ? draws.pick(NOTES, ...path, 'note') : '',
    priority: weight < urgent ? 'high' : weight > 0.8 ? 'low' : 'normal',
    createdAt: wholeSecond(createdAt),
    ...(dueAt === undefined ? {} : { dueAt: wholeSecond(dueAt) }),
    ...(draws.chance(0.8, ...path, 'guessed') ? { minutes: errand.minutes } : {}),
  };
  const end = endOf(person, errand, createdAt, path);
  return { errand, createdAt, task, change: changeOf(person, task, createdAt, end.at, path), end };
}

type TaskPath = readonly [number, 'task', number];

function endOf(person: Person, errand: Errand, createdAt: number, path: TaskPath): TaskLife['end'] {
  const { draws } = person;
  const fate = draws.unit(...path, 'fate');
  // Done by itself, dropped after a while, or cleared out at last.
  const done = fate < person.diligence;
  const dropped = !done && fate < person.diligence + 0.1;
  const days = done
    ? {
        never: draws.between(1, 8, ...path, 'after'),
        today: 0,
        days: draws.between(0, 4, ...path, 'after'),
        weeks: draws.between(1, 9, ...path, 'after'),
      }[errand.due]
    : dropped
      ? draws.between(1, 6, ...path, 'after')
      : draws.between(8, 14, ...path, 'after');
  const sameDay = Math.floor(days) === 0;
  const awake = awakeOf(person, localDayOf(createdAt, person.utcOffsetMinutes) + Math.floor(days));
  const from = sameDay ? createdAt + 40 * 60_000 : awake.from + 60 * 60_000;
  const at = secondIn(from, awake.until - 30 * 60_000, draws.unit(...path, 'end'));
  return { at, kind: done ? 'task-done' : 'task-deleted' };
}

function changeOf(
  person: Person,
  task: Task,
  createdAt: number,
  endAt: number,
  path: TaskPath,
): TaskLife['change'] {
  const { draws } = person;
  if (!draws.chance(0.15, ...path, 'changes')) return undefined;
  const day = localDayOf(createdAt, person.utcOffsetMinutes) + 1;
  const awake = awakeOf(person, day);
  const at = secondIn(awake.from + 30 * 60_000, awake.until - 120 * 60_000, draws.unit(...path, 'change'));
  if (at >= endAt) return undefined;
  const postponed = task.dueAt !== undefined && draws.chance(0.5, ...path, 'postponed');
  const changed: Task = postponed
    ? { ...task, dueAt: wholeSecond(Date.parse(task.dueAt ?? '') + DAY_MS) }
    : { ...task, priority: 'high' };
  return { at, task: changed };
}

/** The whole second at share `unit` of the way from `from` to `until`; `from` where there is no such way. */
function secondIn(from: number, until: number, unit: number): number {
  return Math.floor((from + Math.max(0, until - from) * unit) / 1000) * 1000;
}
