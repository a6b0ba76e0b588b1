import type { PlaceName } from '../records.js';
import { HOUR_MS, localDayOf, localMinuteOf, MINUTE_MS } from './calendar.js';
import { type Day, dayOf, placeAt, type Span } from './day.js';
import type { Person } from './person.js';

/** How things stand with the person at a moment. */
export interface Moment {
  readonly awake: boolean;
  readonly place: PlaceName;
  readonly busy: boolean;
  /** Minutes until the next appointment, the next move or sleep, whichever is first; 0 when busy. */
  readonly freeMinutes: number;
  /** -2 (tired) to 2 (awake). */
  readonly energy: number;
  readonly onPage: boolean;
  readonly onDevice: boolean;
}

const within = (ms: number) => (span: Span) => ms >= span.from && ms < span.until;

/** @param ms milliseconds since 1970 */
export function momentAt(person: Person, ms: number): Moment {
  const today = localDayOf(ms, person.utcOffsetMinutes);
  // After midnight the evening before may still be going on.
  const evening = dayOf(person, today - 1);
  const day = within(ms)(evening.awake) ? evening : dayOf(person, today);
  const awake = within(ms)(day.awake);
  const booked = day.appointments.filter(({ cancelledAt }) => cancelledAt === undefined || cancelledAt > ms);
  const busy = booked.some(within(ms));
  const ends = [day.awake.until, ...booked.map(({ from }) => from), ...day.moves.map(({ at }) => at)].filter(
    (end) => end > ms,
  );
  return {
    awake,
    place: placeAt(day, ms),
    busy,
    freeMinutes: awake && !busy ? (Math.min(...ends) - ms) / MINUTE_MS : 0,
    energy: energyAt(person, day, ms),
    onPage: day.visits.some(within(ms)),
    onDevice: day.uses.some(within(ms)),
  };
}

/** Two humps, one before noon and a smaller one in the early evening, on top of the day's form. */
export function energyAt(person: Person, day: Day, ms: number): number {
  const minute = localMinuteOf(ms, person.utcOffsetMinutes);
  const hump = (middle: number, width: number) => Math.max(0, 1 - ((minute - middle) / width) ** 2);
  const hours = (ms - day.awake.from) / HOUR_MS;
  const tired = Math.max(0, hours - 12) * 0.35;
  const raw = day.form - 0.6 + 1.9 * hump(person.energyPeak, 210) + 1.1 * hump(1080, 130) - tired;
  return Math.min(2, Math.max(-2, raw));
}
