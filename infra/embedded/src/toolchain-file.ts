import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout that this package lies in. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** A file of the toolchain that `npm start` and `npm test` install. */
export function toolchainFile(path: string): string {
  return join(ROOT, '.toolchain', path);
}
