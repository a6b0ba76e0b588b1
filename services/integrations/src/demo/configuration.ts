import { isUserId, type UserId } from '@oo/contracts';
import { CONFIG, piece } from '@oo/service-host';
import { z } from 'zod';

const number = (schema: z.ZodNumber, fallback: number) => z.coerce.number().pipe(schema).prefault(fallback);

const user: z.ZodType<UserId> = z
  .string()
  .refine(isUserId)
  .transform((text) => text as UserId);

/** What the demo life is configured with. */
export const demoConfig = z.object({
  OO_NATS_URL: CONFIG.OO_NATS_URL,
  OO_PUBLIC_URL: CONFIG.OO_PUBLIC_URL,
  OO_HEALTH_PORT: CONFIG.OO_HEALTH_PORT,
  OO_LOG_LEVEL: CONFIG.OO_LOG_LEVEL,
  OO_DATA_DIR: CONFIG.OO_DATA_DIR,
  OO_DEMO_USER: piece(user, 'the pseudonym of the demo person: TENANT_RANDOM'),
  OO_DEMO_TOKEN: piece(z.string().min(1), 'a personal access token of the demo person', 'secret'),
  OO_DEMO_PROVIDER_URL: piece(
    z.url({ protocol: /^http$/, hostname: /^(127\.0\.0\.1|localhost)$/ }),
    'http://127.0.0.1:PORT, where the demo provider is to listen',
  ),
  OO_DEMO_SEED: piece(z.string().min(1).max(100).default('oo'), 'any text of at most 100 characters'),
  OO_DEMO_WEEKS: piece(number(z.int().min(0).max(52), 2), 'weeks of history, 0 to 52'),
  OO_DEMO_PACE: piece(
    number(z.number().min(0).max(10_000), 1),
    'how many hours of the life pass in an hour, 0 to 10000; 0 keeps it still',
  ),
  OO_DEMO_CANARY: piece(z.string().max(100).default(''), 'a mark to put into every text, for tests'),
  OO_DEMO_UTC_OFFSET: piece(
    z.coerce.number().pipe(z.int().min(-840).max(840)).optional(),
    'minutes east of UTC, -840 to 840, or nothing for this machine’s',
  ),
});
export type DemoConfig = z.infer<typeof demoConfig>;
