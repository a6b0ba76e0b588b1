import { CONFIG, hostConfig, piece } from '@oo/service-host';
import { z } from 'zod';

/** What the gateway is configured with. */
export const gatewayConfig = hostConfig.extend({
  OO_READMODELS_URL: CONFIG.OO_READMODELS_URL,
  OO_VAULT_URL: CONFIG.OO_VAULT_URL,
  OO_TENANT: CONFIG.OO_TENANT,
  OO_PORT: CONFIG.OO_PORT,
  OO_PUBLIC_URL: CONFIG.OO_PUBLIC_URL,
  OO_HOST: piece(z.string().min(1).default('127.0.0.1'), 'the address to listen on; 0.0.0.0 for all'),
  OO_AUTH_SECRET: piece(z.string().min(32), 'at least 32 random characters', 'secret'),
  OO_OIDC_ISSUER: piece(z.url({ protocol: /^https?$/ }), 'the URL of an OpenID provider'),
  OO_OIDC_CLIENT_ID: piece(z.string().min(1).default('oo'), 'the name of oO at that provider'),
  OO_OIDC_CLIENT_SECRET: piece(z.string().min(1), 'the secret of oO at that provider', 'secret'),
  OO_PAGE_DIR: piece(z.string().min(1).optional(), 'the folder of the built page; by default web/dist'),
  OO_TRUSTED_PROXIES: piece(
    z
      .string()
      .default('')
      .transform((text) => text.split(',').map((each) => each.trim()))
      .transform((each) => each.filter((address) => address !== '')),
    'addresses of proxies in front, or networks such as 10.0.0.0/8, with commas between',
  ),
  OO_RATE_LIMIT: piece(
    z.coerce.number().int().min(10).default(12_000),
    'requests of one person in a minute, 10 or more',
  ),
});
export type GatewayConfig = z.infer<typeof gatewayConfig>;
