// Gives every workspace its targets, so that no package.json repeats them: `build` where there is a tsconfig or
// a Vite configuration, and `test:KIND` where there are files of that kind.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const KINDS = ['unit', 'int', 'e2e', 'long'];
// Each file of these starts the whole product, which is enough for two cores.
const FLAGS = { e2e: '--no-file-parallelism', long: '--no-file-parallelism' };

function specKinds(folder) {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true }).map(String);
  return KINDS.filter((kind) => files.some((file) => new RegExp(`\\.${kind}\\.spec\\.tsx?$`).test(file)));
}

function targetsOf(folder, root) {
  const up = relative(folder, '.') || '.';
  const name = folder.replaceAll('/', '-');
  const command = (text, rest = {}) => ({
    executor: 'nx:run-commands',
    options: { command: text, cwd: folder },
    ...rest,
  });
  const targets = {};
  if (existsSync(join(root, folder, 'vite.config.ts'))) {
    targets.build = command('tsc --noEmit && vite build', {
      cache: true,
      dependsOn: ['^build'],
      inputs: ['sources', '^sources'],
      outputs: [`{projectRoot}/dist`],
    });
  } else if (existsSync(join(root, folder, 'tsconfig.json'))) {
    targets.build = command('tsc -b', {
      cache: true,
      dependsOn: ['^build', ...(folder === 'contracts' ? ['generate'] : [])],
      inputs: ['sources', '^sources'],
      outputs: ['{projectRoot}/dist', '{projectRoot}/*.tsbuildinfo'],
    });
  }
  for (const kind of specKinds(join(root, folder, 'src'))) {
    targets[`test:${kind}`] = command(
      `vitest run --config ${up}/vitest.config.ts --root . --reporter=default --reporter=json --outputFile.json=${up}/test-results/${name}.${kind}.json ${FLAGS[kind] ?? ''} .${kind}.spec`,
      {
        cache: kind !== 'long',
        // Unit tests read the sources of other packages; the others also start their builds.
        dependsOn:
          kind === 'unit'
            ? [{ projects: ['@oo/contracts'], target: 'generate' }]
            : ['build', '^build', ...(kind === 'int' ? [] : [{ projects: ['oo'], target: 'bundle' }])],
        inputs: [
          'tests',
          '^sources',
          ...(kind === 'unit' ? [] : ['storeSources', 'servers']),
          ...(kind === 'e2e' ? ['python', 'readme'] : []),
          // The recommender takes part in it.
          ...(kind === 'int' && folder === 'infra/simulation' ? ['python'] : []),
        ],
        outputs: [`{workspaceRoot}/test-results/${name}.${kind}.json`],
        parallelism: kind === 'unit' || kind === 'int',
      },
    );
  }
  return targets;
}

export const createNodesV2 = [
  '{contracts,infra/*,services/*,projections,web,e2e}/package.json',
  (files, _options, { workspaceRoot }) =>
    files.map((file) => {
      const folder = dirname(file);
      const { name } = JSON.parse(readFileSync(join(workspaceRoot, file), 'utf8'));
      return [
        file,
        { projects: { [folder]: { root: folder, name, targets: targetsOf(folder, workspaceRoot) } } },
      ];
    }),
];
