import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout that this package lies in. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** The bundled program of a process; `infra/toolchain/bundle.mjs` makes them. */
export function bundled(name: string): string {
  return join(ROOT, 'bundle', `${name}.js`);
}

/** A file of the toolchain that `npm start` and `npm test` install. */
export function toolchainFile(path: string): string {
  return join(ROOT, '.toolchain', path);
}
