import { join, resolve } from 'node:path';
import { CONFIG, optionalPiece, piece, readConfig } from '@oo/service-host/config';
import { z } from 'zod';

const EMBEDDED = 'an embedded server';

const schema = z.object({
  OO_DATA_DIR: piece(z.string().min(1).optional(), 'a folder'),
  OO_PORT: piece(CONFIG.OO_PORT.default(4646), 'a port from 1 to 65535'),
  OO_EVENTSTORE_URL: optionalPiece(CONFIG.OO_EVENTSTORE_URL, EMBEDDED),
  OO_NATS_URL: optionalPiece(CONFIG.OO_NATS_URL, EMBEDDED),
  OO_READMODELS_URL: optionalPiece(CONFIG.OO_READMODELS_URL, EMBEDDED),
  OO_VAULT_URL: optionalPiece(CONFIG.OO_VAULT_URL, EMBEDDED),
  OO_TENANT: CONFIG.OO_TENANT,
  OO_POLICY: piece(
    z.enum(['heuristic', 'learned', 'random']).default('heuristic'),
    'heuristic, learned, random',
  ),
  OO_DEMO: piece(z.enum(['on', 'off']).default('on'), 'on, off'),
  OO_DEMO_SEED: piece(
    z
      .string()
      .regex(/^[a-z0-9-]{1,32}$/)
      .default('ada'),
    '1 to 32 of a-z, 0-9 and "-"',
  ),
  OO_DEMO_WEEKS: piece(z.coerce.number().int().min(0).max(52).default(2), 'weeks of history, 0 to 52'),
  OO_LOG_LEVEL: CONFIG.OO_LOG_LEVEL,
});

export type Settings = z.infer<typeof schema> & { readonly dataDir: string };

/**
 * Reads the settings out of the environment. Without OO_DATA_DIR the data lies in the checkout, wherever `oo` is
 * called; a relative one is one of the working directory.
 * @param root the checkout
 * @throws ConfigError naming every wrong one
 */
export function readSettings(
  environment: Readonly<Record<string, string | undefined>>,
  cwd: string,
  root: string,
): Settings {
  const settings = readConfig(schema, environment);
  const { OO_DATA_DIR } = settings;
  return { ...settings, dataDir: OO_DATA_DIR === undefined ? join(root, '.oo') : resolve(cwd, OO_DATA_DIR) };
}

export const inDataDir = (settings: Settings, ...parts: string[]): string => join(settings.dataDir, ...parts);

/** Read by the processes that `oo up` starts, which get its environment, or by programs beside them. */
const READ_ELSEWHERE = [
  // The gateway.
  ...['OO_HOST', 'OO_PAGE_DIR', 'OO_RATE_LIMIT', 'OO_TRUSTED_PROXIES'],
  // The demo's life.
  ...['OO_DEMO_CANARY', 'OO_DEMO_PACE', 'OO_DEMO_UTC_OFFSET'],
  ...['OO_PARTITIONS', 'OO_PROJECTIONS'],
  // Which programs are run.
  ...['OO_CHROMIUM', 'OO_NATS_SERVER', 'OO_PYTHON'],
  // The examples.
  ...['OO_TOKEN', 'OO_URL'],
];

/** A line for each variable `OO_…` that nothing reads: most likely a slip of the pen. */
export function strangers(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = [...Object.keys(schema.shape), ...READ_ELSEWHERE];
  return Object.keys(environment)
    .filter((name) => name.startsWith('OO_') && !known.includes(name))
    .sort()
    .map((name) => {
      const near = known.find((one) => isNear(one, name));
      return `${name} is no setting, so it does nothing${near === undefined ? '' : `; do you mean ${near}?`}`;
    });
}

/** One slip apart: two letters swapped, or one too many, missing or wrong. */
function isNear(one: string, other: string): boolean {
  let start = 0;
  while (start < one.length && one[start] === other[start]) start += 1;
  const [a, b] = [one.slice(start), other.slice(start)];
  const swapped = a.length > 1 && a[1] === b[0] && a[0] === b[1] && a.slice(2) === b.slice(2);
  return swapped || a.slice(1) === b || a === b.slice(1) || a.slice(1) === b.slice(1);
}
