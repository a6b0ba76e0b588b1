import { Answer } from '@oo/contracts';
import type { Snapshotting } from '@oo/event-sourcing';
import { z } from 'zod';
import type { TipsState } from './domain/state.js';

/** Of a person's tips: about a day at the usual pace. */
export const SNAPSHOT_EVERY = 200;

const given = z.literal([Answer.ANSWER_DONE, Answer.ANSWER_WILL_DO, Answer.ANSWER_LATER, Answer.ANSWER_NO]);
const tip = z.strictObject({
  ref: z.string(),
  proposedAt: z.string(),
  shown: z.boolean(),
  answer: given.optional(),
});
const horizon = z.strictObject({
  decisionId: z.string(),
  kind: z.literal(['tip', 'wait']),
  startsAt: z.string(),
  endsAt: z.string(),
});
const tips = z.strictObject({
  active: z.string().optional(),
  tips: z.array(z.tuple([z.string(), tip])),
  open: horizon.optional(),
  closedUntil: z.string().optional(),
});

/** How the state of somebody's tips is kept. */
export const tipsSnapshots: Omit<Snapshotting<TipsState>, 'store' | 'every'> = {
  version: 1,
  encode: ({ active, open, closedUntil, tips: known }) => ({ active, open, closedUntil, tips: [...known] }),
  decode: (json) => {
    const { active, tips: known, open, closedUntil } = tips.parse(json);
    return {
      active,
      open,
      closedUntil,
      tips: new Map(
        known.map(([id, { answer, ...rest }]) => [id, answer === undefined ? rest : { ...rest, answer }]),
      ),
    };
  },
};
