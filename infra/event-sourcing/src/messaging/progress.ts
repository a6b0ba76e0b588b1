import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

/** The question `QUERIES.progress(worker)`: have you handled everything up to there, and have nothing open? */
export const progressQuery = z.strictObject({
  position: z
    .string()
    .regex(/^\d{1,20}$/, 'must be a position: a decimal number')
    .transform((digits) => BigInt(digits)),
  timeoutMs: z.int().min(0).max(60_000).default(5_000),
});
export type ProgressQuery = z.output<typeof progressQuery>;

/** Its answer: how far the worker is, and whether it has settled there. */
export interface Progress {
  readonly position: string;
  readonly settled: boolean;
}

/** How far a worker is, and whether it is at rest. */
export interface Standing {
  readonly position: bigint;
  /** Nothing is due, open or in hand. */
  readonly atRest: boolean;
}

/** Looks until the worker has come to `position` and is at rest, or the time is over. */
export async function settle(
  { position, timeoutMs }: ProgressQuery,
  look: () => Promise<Standing>,
): Promise<Progress> {
  const deadline = performance.now() + timeoutMs;
  for (let pause = 2; ; pause = Math.min(pause * 1.5, 50)) {
    const standing = await look();
    const settled = standing.atRest && standing.position >= position;
    const left = deadline - performance.now();
    if (settled || left <= 0) return { position: String(standing.position), settled };
    await sleep(Math.min(pause, left));
  }
}
