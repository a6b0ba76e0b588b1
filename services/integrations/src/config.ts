import { piece } from '@oo/service-host';
import { z } from 'zod';

const address = piece(
  z.url({ protocol: /^https?$/ }).optional(),
  'http://HOST:PORT, or nothing to leave it off',
);

/** Where the providers are: a variable for each connector, named by its manifest. */
export const providerAddresses = z.object({ OO_DEMO_PROVIDER_URL: address });
