/** One line of the result. `ratio` is `value` over `baseline`, both measured in this run. */
export interface Measurement {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number;
  readonly ratio: number;
  /** What the baseline is. */
  readonly against: string;
}

const rounded = (value: number): number => Number(value.toPrecision(4));

export function measurement(
  name: string,
  value: number,
  unit: string,
  baseline: number,
  against: string,
): Measurement {
  return {
    name,
    value: rounded(value),
    unit,
    baseline: rounded(baseline),
    ratio: rounded(value / baseline),
    against,
  };
}

/** The value below which a share `p` (0 to 1) of the samples lies. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)];
  if (at === undefined) throw new RangeError('a percentile of nothing');
  return at;
}

export const median = (samples: readonly number[]): number => percentile(samples, 0.5);

/** Runs `count` calls with `inFlight` of them under way at once. @returns calls a second */
export async function throughput(
  count: number,
  inFlight: number,
  call: (index: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (next < count) {
        const index = next;
        next += 1;
        await call(index);
      }
    }),
  );
  return (count / (performance.now() - began)) * 1000;
}

/** How long each of `count` calls takes, one after the other, in milliseconds; the first tenth is warm-up. */
export async function latencies(count: number, call: (index: number) => Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  const warmUp = Math.ceil(count / 10);
  for (let index = 0; index < count + warmUp; index++) {
    const began = performance.now();
    await call(index);
    if (index >= warmUp) samples.push(performance.now() - began);
  }
  return samples;
}
