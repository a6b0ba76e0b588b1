import { z } from 'zod';
import { bigNumber, wholeNumber } from '../http/query-values.js';

/** A time in an answer. */
export const instantView = z.iso.datetime();

/** The active tip as it is shown, with its words. */
export const tipView = z.object({
  tipId: z.uuid(),
  kind: z.enum(['todo', 'advice']),
  /** What it points to: provider:kind:id. */
  ref: z.string(),
  /** `gone`: the thing is not at its source any more. `unreachable`: its source does not answer now. */
  text: z.enum(['here', 'gone', 'unreachable']),
  title: z.string(),
  body: z.string(),
  url: z.string(),
  proposedAt: instantView,
  holdsUntil: instantView,
  shownAt: instantView.nullable(),
});
export type TipView = z.infer<typeof tipView>;

export const currentTip = z.object({
  tip: tipView.nullable(),
  /** Revision of the person's tips that this shows; -1 before the first. */
  revision: z.string().regex(/^(-1|\d+)$/),
});
export type CurrentTip = z.infer<typeof currentTip>;

/** What `GET /v1/tip` takes: a revision to wait for, as a command gave it, and for how long. */
export const tipQuery = z.strictObject({
  after: bigNumber.optional(),
  timeoutMs: wholeNumber(0, 10_000).default(2_000),
});
export type TipQuery = z.infer<typeof tipQuery>;
