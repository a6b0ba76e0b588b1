import type { Problem } from '@oo/contracts';
import { TRPCClientError } from '@trpc/client';

/** What a call failed by: the gateway's own words, or that it did not get there. */
export type Failure =
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'problem'; readonly status: number; readonly title: string; readonly detail: string };

/** Reads what a call threw. Whatever has no problem document did not come from the gateway. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof TRPCClientError)) return { kind: 'unreachable' };
  const data: unknown = error.data;
  if (typeof data !== 'object' || data === null || !('problem' in data)) return { kind: 'unreachable' };
  const problem = data.problem;
  return isProblem(problem)
    ? { kind: 'problem', status: problem.status, title: problem.title, detail: problem.detail }
    : { kind: 'unreachable' };
}

/** What is to be done with something that could not be sent. */
export type Fate = 'keep' | 'drop' | 'sign-in';

/**
 * What was refused for good is dropped: somebody else has answered, or the tip is none any more. Everything that
 * another try can mend is kept.
 */
export function fateOf(failure: Failure): Fate {
  if (failure.kind === 'unreachable') return 'keep';
  if (failure.status === 401) return 'sign-in';
  const isRefused =
    failure.status >= 400 && failure.status < 500 && ![408, 425, 429].includes(failure.status);
  return isRefused ? 'drop' : 'keep';
}

function isProblem(value: unknown): value is Pick<Problem, 'status' | 'title' | 'detail'> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'status' in value &&
    typeof value.status === 'number' &&
    'title' in value &&
    typeof value.title === 'string' &&
    'detail' in value &&
    typeof value.detail === 'string'
  );
}
