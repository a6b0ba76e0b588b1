import { HttpException } from '@nestjs/common';
import { type Problem, ProblemError, type ProblemKind, problem } from '@oo/contracts';
import { EventStoreUnavailable } from '@oo/event-sourcing';

export const MAX_BODY_BYTES = 64 * 1024;

/** What was asked, as far as an error tells of it. */
export interface Asked {
  readonly method: string;
  readonly url: string;
}

/** The address without its query. */
export const pathOf = (url: string): string => url.split('?', 1)[0] ?? '/';

/** The problem that an error stands for: its own, one of HTTP's, or `internal`, which tells nothing of its cause. */
export function problemOf(error: unknown, asked: Asked): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof EventStoreUnavailable) {
    return problem('unavailable', 'The event store does not answer. Try again in a moment.');
  }
  if (DATABASE_AWAY.test(codeOf(error))) {
    return problem('unavailable', 'A database does not answer, or is being made. Try again in a moment.');
  }
  return httpProblem(statusOf(error), codeOf(error), asked) ?? internalProblem();
}

export function internalProblem(): Problem {
  return problem(
    'internal',
    'This is a bug in oO, not in what was sent. Its cause is in the log of the gateway.',
  );
}

/** Codes of Postgres and its client for a database that cannot be reached, or whose tables are not there (yet). */
const DATABASE_AWAY =
  /^(ECONN\w+|CONNECT_TIMEOUT|CONNECTION_(CLOSED|ENDED|DESTROYED)|57P0[1-5]|53300|3D000|3F000|42P01)$/;

/** The problem that goes with a status (and a framework's code); undefined where the status is no caller's fault. */
export function httpProblem(status: number, code: string, { method, url }: Asked): Problem | undefined {
  const path = pathOf(url);
  switch (status) {
    case 403:
      return ofHttp('cross-origin', 'The request came from another site', status, {
        field: 'origin',
        message: 'is another site; from elsewhere than oO’s own page, send an access token',
      });
    case 404:
      return problem('not-found', `There is no ${method} ${path}. See /v1/openapi.json for what there is.`);
    case 408:
      return ofHttp('too-slow', 'The request took too long', status, {
        field: '(request)',
        message: 'was not complete in time; send it again',
      });
    case 413:
      return about('too-large', '(body)', `has more than ${MAX_BODY_BYTES} bytes`);
    case 414:
      return ofHttp('too-long', 'The address is too long', status, {
        field: '(path)',
        message: 'is too long',
      });
    case 415:
      return about('unsupported-media-type', 'content-type', 'has to be application/json');
    case 431:
      return ofHttp('too-long', 'The headers are too long', status, {
        field: '(headers)',
        message: 'are too long',
      });
  }
  if (status < 400 || status >= 500) return undefined;
  if (code === 'FST_ERR_BAD_URL') return about('invalid-input', '(path)', 'is not well-formed');
  if (JSON_CODES.includes(code)) return about('malformed-json', '(body)', 'is not well-formed JSON');
  return about('invalid-input', '(request)', 'cannot be read');
}

const JSON_CODES = ['FST_ERR_CTP_INVALID_JSON_BODY', 'FST_ERR_CTP_EMPTY_JSON_BODY', 'SyntaxError'];

function about(kind: ProblemKind, field: string, message: string): Problem {
  return problem(kind, `Correct and send again. ${field}: ${message}`, [{ field, message }]);
}

/** The address is there, and takes other methods. */
export function methodNotAllowed({ method, url }: Asked, methods: readonly string[]): Problem {
  const path = pathOf(url);
  return ofHttp('method-not-allowed', 'The address takes other methods', 405, {
    field: '(method)',
    message: `${path} takes ${methods.join(' or ')}, not ${method}`,
  });
}

/** Kinds that only HTTP has. */
function ofHttp(
  kind: 'cross-origin' | 'method-not-allowed' | 'too-slow' | 'too-long',
  title: string,
  status: number,
  error: Problem['errors'][number],
): Problem {
  const detail = `${error.field}: ${error.message}`;
  return { type: `urn:oo:problem:${kind}`, title, status, detail, errors: [error] };
}

/** What HTTP status the framework gives an error; 500 where it is none of the framework's. */
function statusOf(error: unknown): number {
  // Only Nest's own guard tells of another site; a file that may not be read is not there for who asks.
  const cause = error instanceof HttpException ? error.cause : error;
  if (cause instanceof Error && 'statusCode' in cause && typeof cause.statusCode === 'number') {
    return cause.statusCode === 403 ? 404 : cause.statusCode;
  }
  return error instanceof HttpException ? error.getStatus() : 500;
}

/** The code of an error, or of what a framework's error was made of; empty where there is none. */
function codeOf(error: unknown): string {
  const cause = error instanceof HttpException ? (error.cause ?? error) : error;
  if (cause instanceof SyntaxError) return 'SyntaxError';
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
}
