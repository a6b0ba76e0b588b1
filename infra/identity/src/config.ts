import { z } from 'zod';

const LOOPBACK = ['localhost', '127.0.0.1'];

const issuer = z
  .url({ protocol: /^http$/ })
  .refine(
    (url) => LOOPBACK.includes(new URL(url).hostname) && new URL(url).port !== '',
    'has to be http://localhost:PORT or http://127.0.0.1:PORT; elsewhere run a real OpenID provider',
  );

const environment = z.object({
  OO_OIDC_ISSUER: issuer,
  OO_OIDC_CLIENT_ID: z.string().min(1).default('oo'),
  OO_OIDC_CLIENT_SECRET: z.string().min(16),
  OO_PUBLIC_URL: z.url({ protocol: /^https?$/ }),
  OO_DATA_DIR: z.string().min(1),
  OO_HEALTH_PORT: z.coerce.number().int().min(1).max(65_535).optional(),
});
export type Config = z.infer<typeof environment>;

/** Names of variables whose values are not repeated in an error. */
const SECRETS = ['OO_OIDC_CLIENT_SECRET'];

/** @throws Error that names each variable that is wrong, what was given and what is allowed. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const parsed = environment.safeParse(env);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path, message }) => {
    const name = path.join('.');
    const given = env[name];
    const shown =
      given === undefined ? 'is not set' : SECRETS.includes(name) ? 'is not right' : `is ${given}`;
    return `${name} ${shown}: ${message}`;
  });
  throw new Error(lines.join('\n'));
}
