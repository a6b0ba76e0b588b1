import { z } from 'zod';

const reason = z.object({
  code: z.string(),
  /** The reason in a sentence. */
  words: z.string(),
  /** What it added to, or took from, the score that it belongs to. */
  contribution: z.number(),
});
export type ReasonView = z.infer<typeof reason>;

/** Why a tip was shown, or why nothing was said. */
export const explanation = z.object({
  decisionId: z.uuid(),
  kind: z.enum(['proposed', 'withheld', 'voided']),
  decidedAt: z.iso.datetime().nullable(),
  /** What made oO think at that moment. */
  trigger: z.object({ kind: z.string(), words: z.string() }),
  /** What forbade to speak, or why the decision could not become a fact. Empty where it was free. */
  obstacles: z.array(z.object({ code: z.string(), words: z.string() })),
  /** Why now, or why not now; the strongest first. */
  momentReasons: z.array(reason),
  /** Why this tip; empty where there was none. */
  tipReasons: z.array(reason),
  /** Probability of saying something, as it was drawn with. Null where it was never drawn. */
  actProbability: z.number().nullable(),
  policy: z.string().nullable(),
  policyVersion: z.string().nullable(),
});
export type Explanation = z.infer<typeof explanation>;
