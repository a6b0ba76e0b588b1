import { z } from 'zod';

/** What a value of the configuration may be, in words, and whether it must not be repeated. */
interface Piece {
  readonly allowed: string;
  readonly secret?: true;
}

const pieces = z.registry<Piece>();

/** A value of the configuration: `allowed` stands in the message when it is wrong; a secret is not repeated there. */
export function piece<Schema extends z.ZodType>(schema: Schema, allowed: string, secret?: 'secret'): Schema {
  pieces.add<z.ZodType>(schema, secret === undefined ? { allowed } : { allowed, secret: true });
  return schema;
}

/** The same value where it need not be given; `without` says what its absence means. */
export function optionalPiece<Schema extends z.ZodType>(
  schema: Schema,
  without: string,
): z.ZodOptional<Schema> {
  const about = pieces.get(schema);
  const allowed = `${about?.allowed ?? 'another value'}, or nothing for ${without}`;
  return piece(schema.optional(), allowed, about?.secret === true ? 'secret' : undefined);
}

/** The environment does not hold a valid configuration. The message names every variable that is wrong. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((line) => `  ${line}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the variables that `schema` names. An empty one counts as not given.
 * @throws ConfigError with all that is wrong, each with its name, what was given and what is allowed
 */
export function readConfig<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  environment: Environment = process.env,
): z.infer<z.ZodObject<Shape>> {
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = environment[name];
    if (value !== undefined && value !== '') given[name] = value;
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const names = [...new Set(parsed.error.issues.map((issue) => String(issue.path[0])))];
  throw new ConfigError(names.map((name) => describe(name, given[name], schema.shape[name])));
}

function describe(name: string, given: string | undefined, schema: z.core.$ZodType | undefined): string {
  const about = schema === undefined ? undefined : pieces.get(schema);
  const allowed = about?.allowed ?? 'another value';
  if (given === undefined) return `${name}: not given; allowed: ${allowed}`;
  const shown = about?.secret === true ? `a value of ${given.length} characters` : JSON.stringify(given);
  return `${name}: given ${shown}; allowed: ${allowed}`;
}
