declare const brand: unique symbol;
/** A moment as canonical proto3 JSON writes it: RFC 3339 in UTC with `Z` and 0 or 3 digits of a second. */
export type Instant = string & { readonly [brand]: 'Instant' };

/** RFC 3339 with an offset; the year in four digits. */
export const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/** As {@link instant} writes it, on a day that every month has: nearly all that is ever recorded. */
const CANONICAL =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(?!000)\d{3})?Z$/;

/** @param milliseconds since 1970-01-01T00:00:00Z */
export function instant(milliseconds: number): Instant {
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z') as Instant;
}

/** Reads RFC 3339 with any offset, cut to the millisecond; undefined where it is no date. */
export function parseInstant(text: string): Instant | undefined {
  if (CANONICAL.test(text)) return text as Instant;
  if (!RFC3339.test(text)) return undefined;
  const milliseconds = Date.parse(text);
  if (Number.isNaN(milliseconds)) return undefined;
  // Date.parse turns 30 February into March.
  const day = Number(text.slice(8, 10));
  const [year, month] = [Number(text.slice(0, 4)), Number(text.slice(5, 7))];
  if (day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined;
  return instant(milliseconds);
}

/** Milliseconds since 1970. */
export function epochMs(at: string): number {
  return Date.parse(at);
}
