import { CONFIG, hostConfig, piece } from '@oo/service-host';
import { z } from 'zod';
import { isProjectionName, PROJECTION_NAMES, type ProjectionName } from './registry.js';

const names = z
  .string()
  .default(PROJECTION_NAMES.join())
  .transform((text) => [...new Set(text.split(',').map((name) => name.trim()))])
  .refine((list): list is ProjectionName[] => list.every(isProjectionName));

/** What the process of the projections is configured with. */
export const projectionsConfig = hostConfig.extend({
  OO_READMODELS_URL: CONFIG.OO_READMODELS_URL,
  OO_PARTITIONS: CONFIG.OO_PARTITIONS,
  OO_PROJECTIONS: piece(names, `nothing for all, or names with commas between: ${PROJECTION_NAMES.join()}`),
});
export type ProjectionsConfig = z.infer<typeof projectionsConfig>;
