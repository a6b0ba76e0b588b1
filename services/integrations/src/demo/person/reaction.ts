import { HOUR_MS, localDayOf, MINUTE_MS } from './calendar.js';
import { dayOf } from './day.js';
import type { Errand } from './errands.js';
import { type Moment, momentAt } from './moment.js';
import type { Person } from './person.js';
import { errandOf } from './tasks.js';

/** Words of the public API for an answer. */
export type AnswerWord = 'done' | 'later' | 'no' | 'will-do';

/** A tip as it reaches the person. Times are milliseconds since 1970. */
export interface ReachedTip {
  readonly tipId: string;
  readonly ref: string;
  /** Set where the tip is a task of the demo provider. */
  readonly taskId: string | undefined;
  readonly proposedAt: number;
  readonly holdsUntil: number;
}

/** What the person does about a tip; empty where it is never seen. */
export interface Reaction {
  readonly seenAt?: number;
  /** Absent where the tip is seen and left. */
  readonly answer?: { readonly word: AnswerWord; readonly at: number };
  /** When what was promised is done. */
  readonly keptAt?: number;
}

/**
 * How the person takes a tip, given how the earlier ones were taken. A function of its arguments and the person's
 * seed alone.
 *
 * The truth here is on purpose none that a linear model can hold: thresholds (energy, time left, patience), wearing
 * off (each nudge weighs on the next ones and is slowly forgotten; an advice heard again says less), and effects
 * that come hours after the answer.
 */
export function react(person: Person, tip: ReachedTip, earlier: readonly Reaction[]): Reaction {
  const seenAt = seenAtOf(person, tip);
  if (seenAt === undefined) return {};
  const { draws, temper } = person;
  const moment = momentAt(person, seenAt);
  const weight = weightOf(person, seenAt, earlier);
  const weary = weight > temper.patience;
  if (!moment.awake || (moment.busy && draws.chance(0.85, tip.tipId, 'busy'))) return { seenAt };
  if (weary && draws.chance(0.7, tip.tipId, 'weary')) return { seenAt };
  const wish = weary ? 'no' : moment.busy ? 'later' : wishOf(person, tip, moment, earlier.length);
  return wish === undefined ? { seenAt } : answered(person, tip, seenAt, wish);
}

/** When the tip is seen: at the first look at the page, or by a glance while a device is in use. */
function seenAtOf(person: Person, tip: ReachedTip): number | undefined {
  const { draws, temper } = person;
  const first = localDayOf(tip.proposedAt, person.utcOffsetMinutes) - 1;
  const last = localDayOf(tip.holdsUntil, person.utcOffsetMinutes);
  const seen: number[] = [];
  for (let number = first; number <= last; number++) {
    const day = dayOf(person, number);
    for (const visit of day.visits) {
      const at = Math.max(visit.from, tip.proposedAt) + draws.whole(2, 5, tip.tipId, 'look') * 1000;
      if (at < visit.until) seen.push(at);
    }
    day.uses.forEach((use, index) => {
      const at =
        Math.max(use.from, tip.proposedAt) + draws.whole(20, 240, tip.tipId, 'glance-at', index) * 1000;
      if (at < use.until && draws.chance(temper.notice, tip.tipId, 'glance', index)) seen.push(at);
    });
  }
  const at = Math.min(...seen);
  return at < tip.holdsUntil ? at : undefined;
}

/** How much the earlier nudges weigh now. A dismissed one weighs more than one that was of use. */
function weightOf(person: Person, at: number, earlier: readonly Reaction[]): number {
  let weight = 0;
  for (const { seenAt, answer } of earlier) {
    if (seenAt === undefined || seenAt > at) continue;
    const hours = (at - seenAt) / HOUR_MS;
    const own = answer?.word === 'no' ? 1.6 : answer?.word === 'done' ? 0.6 : 1;
    weight += own * 0.5 ** (hours / person.temper.recoveryHours);
  }
  return weight;
}

function wishOf(person: Person, tip: ReachedTip, moment: Moment, heard: number): AnswerWord | undefined {
  const errand = tip.taskId === undefined ? undefined : errandOf(person, tip.taskId);
  if (errand !== undefined) return wishForTask(person, tip, errand, moment);
  const { draws } = person;
  // An advice: liked or not for good, and worn a little by each nudge there has been.
  const liking =
    draws.unit('liking', tip.ref) - Math.min(0.3, heard * 0.002) + draws.around(0, 0.25, tip.tipId);
  if (liking > 0.55) return moment.freeMinutes > 5 ? 'done' : 'will-do';
  if (liking > 0.35) return undefined;
  return liking > 0.2 ? 'later' : 'no';
}

function wishForTask(
  { draws, temper }: Person,
  tip: ReachedTip,
  errand: Errand,
  moment: Moment,
): AnswerWord | undefined {
  const settled =
    errand.setting === 'anywhere' ||
    (errand.setting === 'home' && moment.place === 'home') ||
    (errand.setting === 'desk' && (moment.place === 'work' || moment.place === 'home')) ||
    (errand.setting === 'out' && moment.place !== 'work');
  if (!settled) return draws.chance(0.5, tip.tipId, 'elsewhere') ? 'later' : undefined;
  const drained = moment.energy < temper.effortFloor && errand.effort > 0.35;
  if (drained) return draws.chance(0.45, tip.tipId, 'drained') ? 'no' : 'later';
  if (moment.freeMinutes < errand.minutes) return draws.chance(0.6, tip.tipId, 'short') ? 'later' : 'will-do';
  if (moment.place === 'transit' && errand.minutes > 15) return 'later';
  if (errand.minutes <= 20) return draws.chance(0.8, tip.tipId, 'quick') ? 'done' : 'will-do';
  return draws.chance(0.3 + 0.35 * (moment.energy - temper.effortFloor), tip.tipId, 'big')
    ? 'will-do'
    : 'later';
}

function answered({ draws, temper }: Person, tip: ReachedTip, seenAt: number, wish: AnswerWord): Reaction {
  const soon = seenAt + draws.whole(4, 40, tip.tipId, 'think') * 1000;
  if (soon >= tip.holdsUntil) return { seenAt };
  const worked = seenAt + Math.round(draws.between(2, 14, tip.tipId, 'work') * MINUTE_MS);
  const doneAt = Math.floor(worked / 1000) * 1000;
  // Who is not through with it when the tip goes says "will do" before.
  if (wish === 'done' && doneAt < tip.holdsUntil) return { seenAt, answer: { word: 'done', at: doneAt } };
  const word = wish === 'done' ? 'will-do' : wish;
  const reaction = { seenAt, answer: { word, at: soon } };
  if (word !== 'will-do' || !draws.chance(temper.word, tip.tipId, 'word')) return reaction;
  const delay = draws.between(0.4, temper.delayHours, tip.tipId, 'delay') * HOUR_MS;
  return { ...reaction, keptAt: Math.floor((soon + delay) / 1000) * 1000 };
}
