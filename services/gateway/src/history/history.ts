import type { Page } from '@oo/projections';
import { MAX_PAGE } from '@oo/projections';
import { z } from 'zod';
import { bigNumber, wholeNumber } from '../http/query-values.js';

/** What a list takes: `next` of the page before, and how many items at the most. */
export const pageQuery = z.strictObject({
  before: bigNumber.optional(),
  limit: wholeNumber(1, MAX_PAGE).default(50),
});
export type PageQuery = z.infer<typeof pageQuery>;

const digits = z.string().regex(/^\d+$/);
const at = z.iso.datetime();
/** JSON whose shape the event's or the record's message gives. */
const asRecorded = z.unknown();

const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(item),
    /** What `before` has to be for the following page; null behind the last. */
    next: digits.nullable(),
  });

/** An event of a person. References, times, codes and numbers; no text. */
export const timelineView = pageOf(
  z.object({
    position: digits,
    eventId: z.uuid(),
    type: z.string(),
    stream: z.string(),
    revision: digits,
    producer: z.string(),
    occurredAt: at,
    recordedAt: at,
    ref: z.string().nullable(),
    decisionId: z.uuid().nullable(),
    features: asRecorded,
  }),
);
export type TimelineView = z.infer<typeof timelineView>;

/** A decision and what became of it. What only a record has is null for a void one. */
export const decisionsView = pageOf(
  z.object({
    decisionId: z.uuid(),
    userId: z.string(),
    position: digits,
    revision: digits,
    kind: z.enum(['proposed', 'withheld', 'voided']),
    decidedAt: at.nullable(),
    trigger: asRecorded,
    available: z.boolean().nullable(),
    unavailable: asRecorded,
    actProbability: z.number().nullable(),
    choice: z.string().nullable(),
    choiceKind: z.enum(['todo', 'advice']).nullable(),
    policy: z.string().nullable(),
    policyVersion: z.string().nullable(),
    priorVersion: z.string().nullable(),
    momentReasons: asRecorded,
    tipReasons: asRecorded,
    holdsUntil: at.nullable(),
    reconsiderAt: at.nullable(),
    voidReason: z.string().nullable(),
    shownAt: at.nullable(),
    answer: z.enum(['done', 'will-do', 'later', 'no']).nullable(),
    answeredAt: at.nullable(),
    expired: z.boolean(),
    outcome: z.string().nullable(),
    horizonEndedAt: at.nullable(),
  }),
);
export type DecisionsView = z.infer<typeof decisionsView>;

type InText<Item> = { readonly [Name in keyof Item]: Item[Name] extends bigint ? string : Item[Name] };

/** Positions and revisions are 64 bits wide, so JSON has them as text. */
export function inText<Item extends { readonly position: bigint; readonly revision: bigint }>({
  items,
  next,
}: Page<Item>): { items: InText<Item>[]; next: string | null } {
  return {
    items: items.map(
      (item) =>
        ({ ...item, position: String(item.position), revision: String(item.revision) }) as InText<Item>,
    ),
    next: next === null ? null : String(next),
  };
}
