/** The value below which `percent` of the values lie. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((percent / 100) * sorted.length))] ?? Number.NaN;
}

/**
 * Of pairs that were measured one right after the other, the one with the middle ratio: what else the machine does
 * changes from minute to minute, and within a pair it is nearly the same.
 */
export function medianPair(pairs: readonly (readonly [number, number])[]): [number, number] {
  const sorted = pairs.toSorted((a, b) => a[0] / a[1] - b[0] / b[1]);
  const [value, baseline] = sorted[sorted.length >> 1] ?? [Number.NaN, Number.NaN];
  return [value, baseline];
}
