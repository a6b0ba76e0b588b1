import { z } from 'zod';

/**
 * What zod says where a schema has no words of its own: in the form "FIELD: must be ...", for whoever sent it. Set once,
 * for every schema of the process.
 */
z.config({ customError: (issue) => wordsOf(issue) });

type Issue = Parameters<z.core.$ZodErrorMap>[0];

function wordsOf(issue: Issue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : `must be ${article(issue.expected)}`;
    case 'too_big':
      return `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${limit(issue.origin, issue.maximum)}`;
    case 'too_small':
      return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${limit(issue.origin, issue.minimum)}`;
    case 'invalid_value':
      return issue.input === undefined
        ? `is missing; give ${oneOf(issue.values)}`
        : `must be ${oneOf(issue.values)}`;
    default:
      return undefined;
  }
}

const article = (type: string) =>
  type === 'int' ? 'a whole number' : `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`;

function limit(origin: string, value: number | bigint): string {
  if (origin === 'string') return `${value} characters long`;
  return origin === 'array' ? `${value} items long` : String(value);
}

const oneOf = (values: readonly unknown[]) =>
  values
    .map(String)
    .join(', ')
    .replace(/, ([^,]*)$/, ' or $1');
