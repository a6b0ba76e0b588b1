import { join, resolve } from 'node:path';
import { z } from 'zod';

const port = z.coerce.number().int().min(1).max(65_535);
const url = (protocol: RegExp, example: string) =>
  z.string().refine((text) => URL.canParse(text) && protocol.test(text), `a URL such as ${example}`);

const schema = z.object({
  OO_DATA_DIR: z.string().min(1).default('.oo'),
  OO_PORT: port.default(4646),
  OO_EVENTSTORE_URL: url(/^(esdb|kurrentdb)(\+discover)?:/, 'esdb://127.0.0.1:2113?tls=false').optional(),
  OO_NATS_URL: url(/^nats:/, 'nats://TOKEN@127.0.0.1:4222').optional(),
  OO_READMODELS_URL: url(/^postgres(ql)?:/, 'postgres://USER:PASSWORD@HOST/readmodels').optional(),
  OO_VAULT_URL: url(/^postgres(ql)?:/, 'postgres://USER:PASSWORD@HOST/vault').optional(),
  OO_TENANT: z
    .string()
    .regex(/^[a-z][a-z0-9]{0,19}$/, 'a lower-case letter, then up to 19 letters and digits')
    .default('home'),
  OO_POLICY: z.enum(['learned', 'heuristic', 'random']).default('learned'),
  OO_DEMO: z.enum(['on', 'off']).default('on'),
  OO_DEMO_SEED: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, '1 to 32 of a-z, 0-9 and "-"')
    .default('ada'),
  OO_DEMO_WEEKS: z.coerce.number().int().min(0).max(52).default(2),
  OO_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
});

export type Settings = z.infer<typeof schema> & { readonly dataDir: string };

/** A setting that cannot be used: its name, what was given and what is allowed. */
export class SettingsError extends Error {}

/** Reads the settings out of the environment. @throws SettingsError naming every wrong one. */
export function readSettings(
  environment: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Settings {
  const given = Object.fromEntries(
    Object.keys(schema.shape).flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])),
  );
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      const shown = /URL/.test(name) ? 'a value that is not shown here' : JSON.stringify(given[name]);
      return `  ${name} is ${shown}; allowed: ${issue.message}`;
    });
    throw new SettingsError(`settings that cannot be used:\n${lines.join('\n')}`);
  }
  return { ...parsed.data, dataDir: resolve(cwd, parsed.data.OO_DATA_DIR) };
}

export const inDataDir = (settings: Settings, ...parts: string[]): string => join(settings.dataDir, ...parts);
