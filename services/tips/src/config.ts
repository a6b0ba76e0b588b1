import { CONFIG, hostConfig } from '@oo/service-host';
import type { z } from 'zod';

/** Beside what every process has, the tips need the read models: deadlines stand there. */
export const tipsConfig = hostConfig.extend({ OO_READMODELS_URL: CONFIG.OO_READMODELS_URL });
export type TipsConfig = z.infer<typeof tipsConfig>;
