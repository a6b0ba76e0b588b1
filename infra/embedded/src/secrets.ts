import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const secrets = z.object({
  postgresPassword: z.string().min(16),
  natsToken: z.string().min(16),
  authSecret: z.string().min(32),
  oidcClientSecret: z.string().min(16),
});

/** Made once for a data folder and kept in it, readable by its owner only. */
export type Secrets = z.infer<typeof secrets>;

/** @throws Error when the file is there and cannot be read: another secret would lock the data away. */
export function loadSecrets(dataDir: string): Secrets {
  const path = join(dataDir, 'secrets.json');
  if (existsSync(path)) {
    const parsed = secrets.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (parsed.success) return parsed.data;
    throw new Error(`${path} is damaged; restore it from a backup, or start anew with: npx oo reset`);
  }
  const random = () => randomBytes(24).toString('hex');
  const made: Secrets = {
    postgresPassword: random(),
    natsToken: random(),
    authSecret: random(),
    oidcClientSecret: random(),
  };
  writeFileSync(`${path}.new`, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return made;
}
