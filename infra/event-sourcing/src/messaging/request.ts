import { errors, type NatsConnection } from '@nats-io/transport-node';
import {
  type CommandName,
  CommandReply,
  commandSubject,
  ProblemError,
  problem,
  type UserId,
} from '@oo/contracts';

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
    const reply = await nats.request(subject, JSON.stringify(body), { timeout: timeoutMs });
    return reply.json();
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
  const part = subject.split('.').slice(0, 4).join('.');
  return problem('unavailable', `Nobody answered at ${part}. Send it again in a moment.`);
}
