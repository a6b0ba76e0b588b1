import type { Problem } from '@oo/contracts';
import { TRPCClientError } from '@trpc/client';

/**
 * What a call failed by: it did not get there; something answered, but not as the gateway does when it is well; or
 * the gateway's own words for what is wrong with the call.
 */
export type Failure =
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'failing' }
  | ({ readonly kind: 'problem' } & Said);
type Said = Pick<Problem, 'type' | 'status' | 'title' | 'detail'>;

/** Thrown for an answer over HTTP that is none of those that were expected. */
export class UnexpectedAnswer extends Error {}

/** Reads what a call threw. */
export function failureOf(error: unknown): Failure {
  if (error instanceof UnexpectedAnswer) return { kind: 'failing' };
  if (!(error instanceof TRPCClientError)) return { kind: 'unreachable' };
  const data: unknown = error.data;
  const said = typeof data === 'object' && data !== null && 'problem' in data ? data.problem : undefined;
  if (isProblem(said)) {
    const { type, status, title, detail } = said;
    return status >= 500 ? { kind: 'failing' } : { kind: 'problem', type, status, title, detail };
  }
  // Without a problem document an answer came from something between, or from a gateway that is broken.
  // (tRPC forgets the response of a body that is no JSON, so that only the parser's error tells of it.)
  const isAnswered =
    error.cause instanceof SyntaxError || error.shape !== undefined || error.meta?.response !== undefined;
  return { kind: isAnswered ? 'failing' : 'unreachable' };
}

/** What is to be done with something that could not be sent. */
export type Fate = 'keep' | 'refused' | 'sign-in';

/** Refusals that another try can mend: too slow, too early, too many; others wrote just then; another version. */
const MENDED_STATUSES = [408, 425, 429];
const MENDED_TYPES = ['urn:oo:problem:conflict', 'urn:oo:problem:not-found'];

/**
 * What was refused for good is not sent again: somebody else has answered, or the tip is none any more. Everything
 * that another try can mend is kept.
 */
export function fateOf(failure: Failure): Fate {
  if (failure.kind !== 'problem') return 'keep';
  if (failure.status === 401) return 'sign-in';
  return MENDED_STATUSES.includes(failure.status) || MENDED_TYPES.includes(failure.type) ? 'keep' : 'refused';
}

function isProblem(value: unknown): value is Said {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    typeof value.type === 'string' &&
    'status' in value &&
    typeof value.status === 'number' &&
    'title' in value &&
    typeof value.title === 'string' &&
    'detail' in value &&
    typeof value.detail === 'string'
  );
}
