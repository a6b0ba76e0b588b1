import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { invalidInput, type Problem, ProblemError, problem } from '@oo/contracts';
import type { z } from 'zod';
import { EventStoreUnavailable } from '../event-store/errors.js';

/**
 * Answers questions on a subject: parses the body, gives the answer as JSON, and `{problem}` where it cannot. The way
 * for a worker that is no Nest service, or whose subjects are not known before it runs.
 * @param failed told of what is answered as `internal`
 */
export function answerQuery<Query>(
  nats: NatsConnection,
  subject: string,
  schema: z.ZodType<Query>,
  answer: (query: Query) => Promise<unknown>,
  failed: (error: unknown) => void,
  queue?: string,
): Subscription {
  return nats.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    callback: (error, message) => {
      if (error !== null) return failed(error);
      answerJson(message.data, schema, answer, failed).then((reply) =>
        message.respond(JSON.stringify(reply)),
      );
    },
  });
}

/** What a body is answered: never throws. */
export async function answerJson<Query>(
  body: Uint8Array,
  schema: z.ZodType<Query>,
  answer: (query: Query) => Promise<unknown>,
  failed: (error: unknown) => void,
): Promise<unknown> {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    return { problem: problem('malformed-json', 'Send a JSON object.') };
  }
  return answerParsed(json, schema, answer, failed);
}

/** The same for a body that is JSON already. */
export async function answerParsed<Query>(
  json: unknown,
  schema: z.ZodType<Query>,
  answer: (query: Query) => Promise<unknown>,
  failed: (error: unknown) => void,
): Promise<unknown> {
  const parsed = schema.safeParse(json);
  if (!parsed.success) return { problem: invalidInput(parsed.error) };
  try {
    return await answer(parsed.data);
  } catch (error) {
    if (error instanceof ProblemError) return { problem: error.problem satisfies Problem };
    if (error instanceof EventStoreUnavailable) {
      return { problem: problem('unavailable', 'The event store does not answer. Ask again in a moment.') };
    }
    failed(error);
    return { problem: problem('internal', 'This is a bug here, not in what was sent. Look into the log.') };
  }
}
