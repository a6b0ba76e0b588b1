import type { z } from 'zod';
import type { FieldError, Problem } from './messages.js';

/** Kinds of problems that oO answers with, their HTTP status and title. */
export const PROBLEM_KINDS = {
  'invalid-input': [400, 'The input is not valid'],
  'malformed-json': [400, 'The body is not JSON'],
  'not-signed-in': [401, 'Nobody is signed in'],
  'foreign-user': [403, 'That is another person’s'],
  'unknown-user': [404, 'There is no such person'],
  'unknown-tip': [404, 'There is no such tip'],
  'not-found': [404, 'There is nothing here'],
  'already-answered': [409, 'The tip has been answered already'],
  conflict: [409, 'Others wrote at the same time'],
  'too-large': [413, 'The body is too large'],
  'unsupported-media-type': [415, 'The body has to be JSON'],
  'idempotency-key-reused': [422, 'The key was used for something else'],
  'from-the-future': [422, 'The time lies in the future'],
  'too-many-requests': [429, 'Too many requests'],
  internal: [500, 'Something went wrong here'],
  unavailable: [503, 'A part of the system does not answer'],
} as const satisfies Record<string, readonly [number, string]>;
export type ProblemKind = keyof typeof PROBLEM_KINDS;

/** The field in question where a kind leaves no doubt. */
const FIELDS: Partial<Record<ProblemKind, FieldError>> = {
  'malformed-json': { field: '(body)', message: 'is not well-formed JSON' },
  'not-signed-in': { field: 'authorization', message: 'is no token of oO’s, and there is no session' },
  'already-answered': { field: 'tipId', message: 'is of a tip that has its answer' },
  'unknown-user': { field: 'userId', message: 'is nobody’s' },
  'unknown-tip': { field: 'tipId', message: 'is no tip of this person’s, or an old one' },
  'too-large': { field: '(body)', message: 'is too large' },
  'unsupported-media-type': { field: 'content-type', message: 'has to be application/json' },
};
/** More of them help nobody, and the document would be as large as what was sent. */
const MOST_ERRORS = 20;

/**
 * An RFC 9457 problem document. `detail` says what is wrong and what to do next; `errors` name the fields, by default
 * the one that the kind is about.
 */
export function problem(
  kind: ProblemKind,
  detail: string,
  errors: FieldError[] = [FIELDS[kind] ?? []].flat(),
): Problem {
  const [status, title] = PROBLEM_KINDS[kind];
  return { type: `urn:oo:problem:${kind}`, title, status, detail, errors };
}

/** A problem that names each field that zod did not accept. `prefix` is put before each path. */
export function invalidInput(error: z.ZodError, prefix = ''): Problem {
  const errors = error.issues.flatMap((issue): FieldError[] => {
    const path = [prefix, ...issue.path.map(String)].filter((part) => part !== '').join('.');
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        field: path === '' ? key : `${path}.${key}`,
        message: 'is not a known field; remove it',
      }));
    }
    return [{ field: path === '' ? '(body)' : path, message: issue.message }];
  });
  const left = errors.splice(MOST_ERRORS).length;
  if (left > 0) errors.push({ field: '(body)', message: `has ${left} more faults` });
  const fields = errors.map(({ field, message }) => `${field}: ${message}`).join('; ');
  return problem('invalid-input', `Correct and send again. ${fields}`, errors);
}

/** Thrown inside a process and answered as its problem at the edge. */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.title}: ${problem.detail}`);
    this.name = 'ProblemError';
  }
}
