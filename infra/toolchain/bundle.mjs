// Bundles the processes that `oo up` starts, and `oo` itself, into `bundle/`: a process then reads some files
// instead of one or two thousand, which is most of what a start costs. Shared code is in shared chunks.
import { rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const folder = join(root, 'bundle');

const PROCESSES = {
  oo: 'infra/cli/src/main.ts',
  eventstore: 'infra/eventstore/src/main.ts',
  identity: 'infra/identity/src/main.ts',
  relay: 'services/relay/src/main.ts',
  handlers: 'services/handlers/src/main.ts',
  projections: 'projections/src/main.ts',
  gateway: 'services/gateway/src/main.ts',
  demo: 'services/integrations/src/demo/main.ts',
};

/** A module finds its neighbours on the disk where they were before it was bundled. All chunks lie in one folder. */
const ownAddress = {
  name: 'own-address',
  transform(code, id) {
    if (!code.includes('import.meta.url')) return null;
    const address = relative(folder, id).replaceAll('\\', '/');
    const expression = `new URL(${JSON.stringify(address)}, import.meta.url).href`;
    return { code: code.replaceAll('import.meta.url', expression), map: null };
  },
};

const bundle = await rolldown({
  cwd: root,
  input: PROCESSES,
  platform: 'node',
  tsconfig: 'tsconfig.base.json',
  // From the sources of our packages, as the tests do, so that a stack names lines of TypeScript.
  resolve: { conditionNames: ['@oo/source', 'node', 'import', 'default'] },
  plugins: [ownAddress],
  // What others' code could do better is theirs: Nest names transports that are not installed and are not used.
  onLog: (level, log, handle) => {
    if (log.id?.includes('node_modules')) return;
    // A bundle that lacks a package would be kept by Nx, and start nowhere.
    handle(log.code === 'UNRESOLVED_IMPORT' ? 'error' : level, log);
  },
});
rmSync(folder, { recursive: true, force: true });
await bundle.write({ dir: folder, format: 'esm', sourcemap: true, chunkFileNames: 'chunks-[hash].js' });
await bundle.close();
