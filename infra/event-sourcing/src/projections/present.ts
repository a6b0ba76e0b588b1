/**
 * The value of a field that the event cannot be without.
 * @throws Error naming the field; the event is parked
 */
export function present<T>(value: T | undefined | null | '', field: string): T {
  if (value === undefined || value === null || value === '') throw new Error(`${field} is missing`);
  return value;
}
