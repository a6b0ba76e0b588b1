import { errors, type NatsConnection } from '@nats-io/transport-node';
import {
  type CommandName,
  CommandReply,
  commandSubject,
  ProblemError,
  problem,
  type UserId,
} from '@oo/contracts';
import { inSpan, tracedHeaders } from '../telemetry/tracing.js';

/** How long a command or a query may take before it is `unavailable`. */
export const REQUEST_TIMEOUT_MS = 5_000;

/**
 * Asks and gives the answer as JSON.
 * @throws ProblemError `unavailable` when nobody answers in time; the request may have been handled or not
 */
export async function requestJson(
  nats: NatsConnection,
  subject: string,
  body: unknown,
  timeoutMs = REQUEST_TIMEOUT_MS,
): Promise<unknown> {
  try {
    return await inSpan(`ask ${placeOf(subject)}`, { kind: 'client' }, async () => {
      const options = { timeout: timeoutMs, ...tracedHeaders() };
      const reply = await nats.request(subject, JSON.stringify(body), options);
      return reply.json();
    });
  } catch (error) {
    if (isUnanswered(error)) throw new ProblemError(unavailable(subject));
    throw error;
  }
}

/**
 * Sends a command to its service. @param command canonical proto3 JSON
 * @throws ProblemError `unavailable`; sending the same command again is safe
 */
export async function sendCommand(
  nats: NatsConnection,
  name: CommandName,
  user: UserId,
  command: unknown,
  timeoutMs = REQUEST_TIMEOUT_MS,
): Promise<CommandReply> {
  return CommandReply.fromJSON(await requestJson(nats, commandSubject(name, user), command, timeoutMs));
}

function isUnanswered(error: unknown): boolean {
  return (
    error instanceof errors.TimeoutError ||
    error instanceof errors.RequestError ||
    error instanceof errors.NoRespondersError ||
    error instanceof errors.ClosedConnectionError ||
    error instanceof errors.DrainingConnectionError
  );
}

function unavailable(subject: string) {
  return problem('unavailable', `Nobody answered at ${placeOf(subject)}. Send it again in a moment.`);
}

/** A subject without what stands in it of a person. */
const placeOf = (subject: string): string => subject.split('.').slice(0, 4).join('.');
