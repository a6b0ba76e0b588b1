import { invalidInput, type Problem, ProblemError, problem } from '@oo/contracts';
import { TRPCError } from '@trpc/server';
import { z } from 'zod';
import { problemOf } from '../http/problem-of.js';

type Code = TRPCError['code'];

const CODES: Readonly<Record<number, Code>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'UNPROCESSABLE_CONTENT',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
};

/** The same problem as tRPC's error, so that it has the same HTTP status. */
export function trpcError(error: ProblemError): TRPCError {
  const code = CODES[error.problem.status] ?? 'INTERNAL_SERVER_ERROR';
  return new TRPCError({ code, message: error.problem.title, cause: error });
}

/** The problem document that goes with any error of the router. */
export function problemOfRouter(error: TRPCError, path: string | undefined): Problem {
  const { cause } = error;
  if (cause instanceof ProblemError) return cause.problem;
  if (cause instanceof z.ZodError) return invalidInput(cause);
  if (cause instanceof SyntaxError) return problem('malformed-json', 'Send JSON.');
  switch (error.code) {
    case 'NOT_FOUND':
      return problem(
        'not-found',
        `The page asked for ${path ?? 'nothing'}, which is not there. Reload the page.`,
      );
    case 'PARSE_ERROR':
      return problem('malformed-json', 'Send JSON.');
    case 'METHOD_NOT_SUPPORTED':
    case 'BAD_REQUEST':
      return problem('invalid-input', `${path ?? 'It'} cannot be asked in this way. Reload the page.`);
    case 'UNSUPPORTED_MEDIA_TYPE':
      return problem('unsupported-media-type', 'Send JSON, with content-type: application/json.');
    default:
      return problemOf(cause, { method: '', url: path ?? '' });
  }
}
