import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { readStored, writeStored } from './stored-file.js';

const keys = z.object({
  /** Private JWK that signs id tokens. */
  signing: z.object({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: z.string(),
    y: z.string(),
    d: z.string(),
    kid: z.string(),
    alg: z.literal('ES256'),
    use: z.literal('sig'),
  }),
  /** Signs the provider's own cookies. */
  cookie: z.string().min(32),
});
export type Keys = z.infer<typeof keys>;

/** The provider's keys, made at the first start and kept in `folder` from then on. */
export async function durableKeys(folder: string): Promise<Keys> {
  const path = join(folder, 'keys.json');
  const stored = await readStored(path);
  if (stored !== undefined) return keys.parse(stored);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const made = keys.parse({
    signing: { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'ES256', use: 'sig' },
    cookie: randomBytes(32).toString('base64url'),
  });
  await writeStored(path, made);
  return made;
}
