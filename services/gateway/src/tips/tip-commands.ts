import {
  type DecisionId,
  derivedCommandId,
  isDecisionId,
  ProblemError,
  problem,
  type Recorded,
} from '@oo/contracts';
import type { Caller } from '../caller/caller.js';
import type { CommandSender, Said } from '../commands/command-sender.js';
import { ANSWERS, type TipRecorded } from './answer-input.js';

/** Records that a tip was seen. Once per tip: saying it again, from here or another device, changes nothing. */
export async function showTip(
  commands: CommandSender,
  caller: Caller,
  tipId: DecisionId,
  deviceId: string,
  said?: Said,
): Promise<TipRecorded> {
  const recorded = await commands.send('ShowTip', caller, {
    commandId: derivedCommandId('show', `${caller.userId}\n${tipId}`),
    causationId: tipId,
    ...(said === undefined ? {} : { said }),
    fields: { tipId, deviceId },
  });
  return answered(recorded);
}

/** Records an answer. The same producer's key again, of the same answer to the same tip, is the same command. */
export async function answerTip(
  commands: CommandSender,
  caller: Caller,
  tipId: DecisionId,
  answer: keyof typeof ANSWERS,
  idempotencyKey: string,
  said: Said,
): Promise<TipRecorded> {
  const recorded = await commands.send('AnswerTip', caller, {
    commandId: derivedCommandId(
      'answer',
      `${caller.userId}\n${caller.producer}\n${tipId}\n${answer}\n${idempotencyKey}`,
    ),
    causationId: tipId,
    said,
    fields: { tipId, answer: ANSWERS[answer] },
  });
  return answered(recorded);
}

/** The id of a tip or a decision out of a path. @throws ProblemError `unknown-tip` for what can be no id */
export function decisionIdOfPath(text: string): DecisionId {
  if (isDecisionId(text)) return text;
  throw unknownTip('is not the id of a tip: a UUID in lower case');
}

export function unknownTip(message: string): ProblemError {
  return new ProblemError(problem('unknown-tip', `The tip’s id ${message}.`, [{ field: 'id', message }]));
}

function answered({ stream, revision, duplicate }: Recorded): TipRecorded {
  return { stream, revision: String(revision), duplicate };
}
