import { z } from 'zod';

/** A number in a query. */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min).max(max));

/** A revision or a position in a query, as an answer gave it. */
export const bigNumber = z
  .string()
  .regex(/^\d{1,19}$/, 'must be a whole number, as an answer gave it')
  .transform((text) => BigInt(text))
  .pipe(z.bigint().max(2n ** 63n - 1n, 'must be a whole number, as an answer gave it'));

/** Of an address that takes no query. */
export const noQuery = z.strictObject({});
