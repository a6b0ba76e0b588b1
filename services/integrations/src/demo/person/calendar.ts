import { type Instant, instant } from '@oo/contracts';

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** The local day (days since 1 January 1970 on the person's wall calendar) that a moment falls in. */
export function localDayOf(ms: number, utcOffsetMinutes: number): number {
  return Math.floor((ms + utcOffsetMinutes * MINUTE_MS) / DAY_MS);
}

/** Milliseconds since 1970 of `minute` after local midnight of a day; the minute may lie outside 0 to 1440. */
export function localMs(day: number, minute: number, utcOffsetMinutes: number): number {
  return day * DAY_MS + Math.round(minute * 60) * 1000 - utcOffsetMinutes * MINUTE_MS;
}

/** Minutes after local midnight of the day that a moment falls in. */
export function localMinuteOf(ms: number, utcOffsetMinutes: number): number {
  return (ms + utcOffsetMinutes * MINUTE_MS - localDayOf(ms, utcOffsetMinutes) * DAY_MS) / MINUTE_MS;
}

/** 0 is Sunday; 1 January 1970 was a Thursday. */
export function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

export function isWeekend(day: number): boolean {
  return weekdayOf(day) === 0 || weekdayOf(day) === 6;
}

/** A moment cut to the whole second. */
export function wholeSecond(ms: number): Instant {
  return instant(Math.floor(ms / 1000) * 1000);
}
