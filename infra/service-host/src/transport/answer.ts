import { CommandReply } from '@oo/contracts';
import { answerJson } from '@oo/event-sourcing';
import type { z } from 'zod';
import type { Log } from '../logging/log.js';

/**
 * Answers a command: parses the body with its schema (`edge.commands.X`), runs it, gives the reply as JSON. Never
 * throws; what is not expected is logged and answered as `internal`.
 */
export function answerCommand<Command>(
  body: Uint8Array,
  schema: z.ZodType<Command>,
  run: (command: Command) => Promise<CommandReply>,
  log: Log,
): Promise<unknown> {
  return answerQueryOf(body, schema, async (command) => CommandReply.toJSON(await run(command)), log);
}

/** Answers a question in the same way. */
export function answerQueryOf<Query>(
  body: Uint8Array,
  schema: z.ZodType<Query>,
  answer: (query: Query) => Promise<unknown>,
  log: Log,
): Promise<unknown> {
  return answerJson(body, schema, answer, (err) => log.error({ err }, 'a request failed'));
}
