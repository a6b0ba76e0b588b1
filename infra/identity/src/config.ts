import { CONFIG, piece } from '@oo/service-host';
import { z } from 'zod';

const LOOPBACK = ['localhost', '127.0.0.1'];

const isOnLoopback = (text: string): boolean => {
  const url = URL.parse(text);
  return url?.protocol === 'http:' && LOOPBACK.includes(url.hostname) && url.port !== '';
};

/** What the identity provider is configured with. */
export const identityConfig = z.object({
  OO_OIDC_ISSUER: piece(
    z.string().refine(isOnLoopback),
    'http://localhost:PORT or http://127.0.0.1:PORT; elsewhere run a real OpenID provider',
  ),
  OO_OIDC_CLIENT_ID: piece(z.string().min(1).default('oo'), 'the name of oO here'),
  OO_OIDC_CLIENT_SECRET: piece(z.string().min(16), 'at least 16 random characters', 'secret'),
  OO_PUBLIC_URL: CONFIG.OO_PUBLIC_URL,
  OO_DATA_DIR: CONFIG.OO_DATA_DIR,
  OO_HEALTH_PORT: CONFIG.OO_HEALTH_PORT,
  OO_HOST: piece(
    z.string().min(1).default('127.0.0.1'),
    'the address to listen on; a container needs 0.0.0.0',
  ),
});
