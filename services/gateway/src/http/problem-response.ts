import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import { Catch, HttpException } from '@nestjs/common';
import { type Problem, ProblemError, problem } from '@oo/contracts';
import { EventStoreUnavailable } from '@oo/event-sourcing';
import type { Log } from '@oo/service-host';
import type { FastifyReply, FastifyRequest } from 'fastify';

export const MAX_BODY_BYTES = 64 * 1024;
export const PROBLEM_TYPE = 'application/problem+json';

/** Answers with a problem document (RFC 9457), and nothing but it. */
export function sendProblem(reply: FastifyReply, found: Problem): FastifyReply {
  return reply
    .status(found.status)
    .header('cache-control', 'no-store')
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(found));
}

/** Every error of the gateway's HTTP side ends here. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const found = problemOf(error, request);
    if (found.status >= 500) this.log.error({ err: error, method: request.method }, found.title);
    sendProblem(http.getResponse<FastifyReply>(), found);
  }
}

/** The problem that an error stands for: its own, one of HTTP's, or `internal`, which tells nothing of its cause. */
export function problemOf(error: unknown, request: { method: string; url: string }): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof EventStoreUnavailable) {
    return problem('unavailable', 'The event store does not answer. Try again in a moment.');
  }
  if (isDatabaseAway(error)) {
    return problem('unavailable', 'The read models do not answer, or are being made. Try again in a moment.');
  }
  const status = statusOf(error);
  const path = request.url.split('?', 1)[0] ?? '/';
  if (status === 413) {
    const detail = `Send at most ${MAX_BODY_BYTES} bytes.`;
    return problem('too-large', detail, [{ field: '(body)', message: detail }]);
  }
  if (status === 415) {
    const detail = 'Send JSON, with content-type: application/json.';
    return problem('unsupported-media-type', detail, [{ field: 'content-type', message: detail }]);
  }
  if (status === 404) {
    return problem(
      'not-found',
      `There is no ${request.method} ${path}. See /v1/openapi.json for what there is.`,
    );
  }
  if (status === 403) {
    return {
      type: 'urn:oo:problem:cross-origin',
      title: 'The request came from another site',
      status,
      detail: 'With a session, only oO’s own page may do this. From elsewhere, send an access token.',
      errors: [{ field: 'origin', message: 'is another site' }],
    };
  }
  if (status === 414) {
    return {
      type: 'urn:oo:problem:too-long',
      title: 'The address is too long',
      status,
      detail: 'Shorten the path.',
      errors: [{ field: '(path)', message: 'is too long' }],
    };
  }
  if (status !== undefined && status >= 400 && status < 500) {
    const message = isJsonError(error) ? 'is not well-formed JSON' : 'cannot be read';
    return problem(
      isJsonError(error) ? 'malformed-json' : 'invalid-input',
      `The body ${message}. Correct and send again.`,
      [{ field: '(body)', message }],
    );
  }
  return problem(
    'internal',
    'This is a bug in oO, not in what was sent. Its cause is in the log of the gateway.',
  );
}

/** What HTTP status the framework gives an error, where it is one of the framework's. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
    return error.statusCode;
  }
  return undefined;
}

const JSON_ERRORS = ['FST_ERR_CTP_INVALID_JSON_BODY', 'FST_ERR_CTP_EMPTY_JSON_BODY'];

function isJsonError(error: unknown): boolean {
  const cause = error instanceof HttpException ? (error.cause ?? error) : error;
  if (cause instanceof SyntaxError) return true;
  return (
    cause instanceof Error &&
    'code' in cause &&
    typeof cause.code === 'string' &&
    JSON_ERRORS.includes(cause.code)
  );
}

/** Codes of Postgres and its client for a database that cannot be reached, or whose tables are not there (yet). */
const DATABASE_AWAY =
  /^(ECONN\w+|CONNECT_TIMEOUT|CONNECTION_(CLOSED|ENDED|DESTROYED)|57P0[1-5]|53300|3D000|3F000|42P01)$/;

function isDatabaseAway(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    DATABASE_AWAY.test(error.code)
  );
}
