import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { dropDatabase, type PostgresOptions } from '@oo/embedded';

/** A file in the data folder that asks the next start to drop the read models. */
export const DROP_READ_MODELS = 'drop-readmodels';

/** Does what `oo reset --derived` asked for. Interrupted, it does it again at the next start. */
export async function dropReadModelsIfAsked(dataDir: string, postgres: PostgresOptions): Promise<void> {
  const marker = join(dataDir, DROP_READ_MODELS);
  if (!existsSync(marker)) return;
  await dropDatabase(postgres, 'readmodels');
  rmSync(marker);
}
