import { hostConfig, piece } from '@oo/service-host';
import { z } from 'zod';

const address = piece(
  z.url({ protocol: /^https?$/ }).optional(),
  'http://HOST:PORT, or nothing to leave it off',
);

/** Where the providers are: a variable for each connector, named by its manifest. */
export const PROVIDER_ADDRESSES = { OO_DEMO_PROVIDER_URL: address };

export const integrationsConfig = hostConfig.extend(PROVIDER_ADDRESSES);
export type IntegrationsConfig = z.infer<typeof integrationsConfig>;
