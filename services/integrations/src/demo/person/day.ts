import type { Appointment, DeviceName, PlaceName } from '../records.js';
import { HOUR_MS, isWeekend, localMs, MINUTE_MS, weekdayOf, wholeSecond } from './calendar.js';
import { WORDS } from './errands.js';
import type { Person } from './person.js';

/** A stretch of time in milliseconds since 1970; `until` is not in it. */
export interface Span {
  readonly from: number;
  readonly until: number;
}

export interface PlannedAppointment extends Span {
  readonly appointment: Appointment;
  readonly madeAt: number;
  readonly cancelledAt: number | undefined;
}

export interface DeviceUse extends Span {
  readonly device: DeviceName;
}

/** How one local day of a person goes, apart from the tasks. */
export interface Day {
  readonly day: number;
  /** From getting up to falling asleep, which may be after midnight. */
  readonly awake: Span;
  /** Where the person is from a moment on, in order; at home until the first. */
  readonly moves: readonly { readonly at: number; readonly place: PlaceName }[];
  readonly appointments: readonly PlannedAppointment[];
  /** Looks at oO's page. */
  readonly visits: readonly DeviceUse[];
  readonly uses: readonly DeviceUse[];
  /** What sleep and the week leave of a person's energy: added to the hour's. */
  readonly form: number;
}

const MEETINGS = [
  'Meeting with {colleague}',
  'Stand-up',
  'Talk about {topic}',
  'Workshop on {topic}',
  'Call with {colleague}',
] as const;
const PRIVATE = [
  'Dinner with {friend}',
  'Film with {friend}',
  'Football',
  'Choir',
  'Coffee with {friend}',
] as const;

/** From getting up to falling asleep. */
export function awakeOf(person: Person, day: number): Span {
  const { draws } = person;
  const later = isWeekend(day) ? person.weekendLater : 0;
  return {
    from: secondAt(person, day, person.wake + later + draws.around(0, 22, day, 'wake')),
    until: secondAt(person, day, person.bed + later / 2 + draws.around(0, 35, day, 'sleep')),
  };
}

function secondAt({ utcOffsetMinutes }: Person, day: number, minute: number): number {
  return Math.floor(localMs(day, minute, utcOffsetMinutes) / 1000) * 1000;
}

/** Plan of a local day (days since 1970 on the person's wall calendar). */
export function dayOf(person: Person, day: number): Day {
  const { draws } = person;
  const weekend = isWeekend(day);
  const at = (minute: number) => secondAt(person, day, minute);
  const awake = awakeOf(person, day);
  const moves = movesOf(person, day, weekend, at);
  const appointments = appointmentsOf(person, day, weekend, at);
  const slept = (awake.from - awakeOf(person, day - 1).until) / HOUR_MS;
  const form =
    (slept - 7.5) * 0.35 +
    draws.around(0, 0.5, 'week', Math.floor(day / 7)) +
    draws.around(0, 0.3, day, 'form') -
    0.12 * Math.max(0, appointments.length - 2);
  const plan = { day, awake, moves, appointments, form };
  return { ...plan, visits: visitsOf(person, plan, weekend, at), uses: usesOf(person, plan, weekend, at) };
}

/** Where the person is at a moment of the day (milliseconds since 1970). */
export function placeAt({ moves }: Pick<Day, 'moves'>, ms: number): PlaceName {
  return moves.findLast(({ at }) => at <= ms)?.place ?? 'home';
}

type At = (minute: number) => number;

function movesOf(person: Person, day: number, weekend: boolean, at: At): Day['moves'] {
  const { draws, commuteMinutes } = person;
  const moves: { at: number; place: PlaceName }[] = [];
  const trip = (from: number, until: number, place: PlaceName, travel: number) => {
    moves.push({ at: at(from), place: 'transit' }, { at: at(from + travel), place });
    moves.push({ at: at(until), place: 'transit' }, { at: at(until + travel), place: 'home' });
  };
  if (!weekend && person.officeDays.includes(weekdayOf(day))) {
    const leave = person.wake + draws.between(70, 100, day, 'leave');
    trip(leave, draws.around(1035, 35, day, 'home'), 'work', commuteMinutes);
  } else if (!weekend && draws.chance(0.6, day, 'lunch-out')) {
    const lunch = person.lunch + draws.around(0, 15, day, 'lunch');
    moves.push({ at: at(lunch), place: 'out' });
    moves.push({ at: at(lunch + draws.between(25, 50, day, 'lunch-for')), place: 'home' });
  }
  if (weekend && draws.chance(0.8, day, 'outing')) {
    const leave = draws.between(640, 780, day, 'outing-at');
    trip(leave, leave + draws.between(90, 210, day, 'outing-for'), 'out', 20);
  } else if (draws.chance(0.3, day, 'evening')) {
    const leave = draws.between(1140, 1170, day, 'evening-at');
    moves.push({ at: at(leave), place: 'out' });
    moves.push({ at: at(leave + draws.between(80, 150, day, 'evening-for')), place: 'home' });
  }
  return moves;
}

function appointmentsOf(person: Person, day: number, weekend: boolean, at: At): PlannedAppointment[] {
  const { draws } = person;
  const planned: PlannedAppointment[] = [];
  const plan = (from: number, minutes: number, titles: readonly [string, ...string[]]) => {
    const path = [day, 'appointment', planned.length] as const;
    const sameDay = draws.chance(0.2, ...path, 'same-day');
    const span = { from: at(from), until: at(from + minutes) };
    const made = sameDay
      ? Math.max(at(person.wake + 45 + planned.length), span.from - 5 * HOUR_MS)
      : at(draws.between(-400, -200, ...path, 'made'));
    planned.push({
      ...span,
      madeAt: Math.min(made, span.from - 20 * MINUTE_MS),
      cancelledAt: draws.chance(0.08, ...path, 'cancelled')
        ? span.from - draws.whole(15, 19, ...path, 'cancelled-at') * MINUTE_MS
        : undefined,
      appointment: {
        id: `b${day}-${planned.length}`,
        title: filled(draws.pick(titles, ...path, 'title'), (kind) => draws.pick(kind, ...path, 'word')),
        startsAt: wholeSecond(span.from),
        endsAt: wholeSecond(span.until),
      },
    });
  };
  if (!weekend) {
    // Hours of the working day that may hold a meeting, each at most one, so that none overlap.
    for (const hour of [9.5, 11, 13.75, 15.25]) {
      if (draws.chance(0.45, day, 'meeting', hour * 4)) {
        plan(hour * 60, draws.pick([30, 30, 45, 60], day, 'meeting-for', hour * 4), MEETINGS);
      }
    }
  }
  if (draws.chance(weekend ? 0.4 : 0.18, day, 'private')) plan(1140, 90, PRIVATE);
  return planned;
}

/** A title with a word for each `{kind}` in it. */
export function filled(title: string, word: (words: readonly [string, ...string[]]) => string): string {
  return title.replace(/\{(\w+)\}/g, (whole, kind: string) => {
    const words = WORDS[kind];
    return words === undefined ? whole : word(words);
  });
}

type Plan = Omit<Day, 'visits' | 'uses'>;

function visitsOf(person: Person, plan: Plan, weekend: boolean, at: At): DeviceUse[] {
  const { draws } = person;
  const wanted = [plan.awake.from + 18 * MINUTE_MS, at(person.lunch + 35), at(950), at(1240)];
  return wanted.flatMap((middle, index) => {
    const path = [plan.day, 'visit', index] as const;
    if (!draws.chance(weekend ? 0.7 : 0.85, ...path)) return [];
    let from = middle + Math.round(draws.around(0, 14, ...path, 'at') * 60) * 1000;
    for (const busy of plan.appointments) {
      if (busy.cancelledAt === undefined && from >= busy.from && from < busy.until) {
        from = busy.until + 3 * MINUTE_MS;
      }
    }
    const until = from + draws.whole(35, 75, ...path, 'for') * 1000;
    const atDesk = ['home', 'work'].includes(placeAt(plan, from));
    const device: DeviceName = atDesk && draws.chance(0.35, ...path, 'device') ? 'desktop' : 'phone';
    return until < plan.awake.until ? [{ from, until, device }] : [];
  });
}

function usesOf(person: Person, plan: Plan, weekend: boolean, at: At): DeviceUse[] {
  const { draws } = person;
  const use = (name: string, from: number, minutes: number, device: DeviceName): DeviceUse => {
    const start = from + draws.whole(-600, 600, plan.day, name) * 1000;
    return { from: start, until: start + Math.round(minutes * 60) * 1000, device };
  };
  const uses = [
    use('wake', plan.awake.from + 13 * MINUTE_MS, draws.between(8, 25, plan.day, 'wake-for'), 'phone'),
  ];
  if (weekend) {
    if (draws.chance(0.5, plan.day, 'noon')) uses.push(use('noon', at(830), 40, 'tablet'));
  } else {
    uses.push(use('morning', at(570), draws.between(90, 140, plan.day, 'morning-for'), 'desktop'));
    uses.push(use('afternoon', at(830), draws.between(100, 160, plan.day, 'afternoon-for'), 'desktop'));
  }
  uses.push(
    use(
      'evening',
      at(1220),
      draws.between(20, 60, plan.day, 'evening-use'),
      draws.chance(0.6, plan.day, 'sofa') ? 'phone' : 'tablet',
    ),
  );
  return uses.filter(({ from, until }) => from > plan.awake.from && until < plan.awake.until);
}
