import { Answer, edge } from '@oo/contracts';
import { z } from 'zod';
import { moment } from '../signals/signal-input.js';

/** The answers by the names that they have over HTTP. */
export const ANSWERS = {
  done: Answer.ANSWER_DONE,
  later: Answer.ANSWER_LATER,
  no: Answer.ANSWER_NO,
  'will-do': Answer.ANSWER_WILL_DO,
} as const;

export const answerName = z.enum(['done', 'later', 'no', 'will-do']);
export const decisionId = edge.commands.CloseDecision.shape.decisionId;

/** What `POST /v1/tips/{id}/answers` takes. */
export const answerInput = z.strictObject({
  answer: answerName,
  /** When it was answered; an answer that was given offline keeps its own time. */
  answeredAt: moment,
  idempotencyKey: edge.idempotencyKey,
});
export type AnswerInput = z.infer<typeof answerInput>;

/** What `POST /v1/tips/{id}/shown` takes, all of it optional. */
export const shownInput = z
  .strictObject({ shownAt: moment.optional(), deviceId: edge.deviceId })
  .prefault({});
export type ShownInput = z.infer<typeof shownInput>;

export const tipRecorded = z.object({
  stream: z.string(),
  revision: z.string().regex(/^\d+$/),
  duplicate: z.boolean(),
});
export type TipRecorded = z.infer<typeof tipRecorded>;
