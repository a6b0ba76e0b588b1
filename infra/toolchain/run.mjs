// What `npm run VERB` does: brings the toolchain, then does the one thing that the verb is named after.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBrowser, ensureToolchain, environment, fail, pinPython, root, step } from './toolchain.mjs';

const [verb, ...rest] = process.argv.slice(2);
const results = join(root, 'test-results');

/** Runs in the foreground; resolves with the exit code. */
function run(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', env: { ...environment(), ...env } });
    // Ctrl-C reaches the whole foreground group; the child decides when it is done and this process waits.
    const forward = (signal) => child.kill(signal);
    const ignore = () => undefined;
    process.on('SIGINT', ignore).on('SIGTERM', forward).on('SIGHUP', forward);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGINT', ignore).off('SIGTERM', forward).off('SIGHUP', forward);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1));
    });
  });
}

const nx = (targets, { projects = [], args = [], env = {} } = {}) =>
  run(
    'nx',
    [
      'run-many',
      `--targets=${targets.join(',')}`,
      '--outputStyle=static',
      ...(projects.length > 0 ? [`--projects=${projects.join(',')}`] : []),
      ...args,
    ],
    env,
  );

const build = () => step('build', 'nx', ['run-many', '--targets=build,bundle', '--outputStyle=static']);

/** Adds up what vitest (JSON) and pytest (JUnit) wrote, and prints the one line that says how it went. */
function summary(kinds) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const file of existsSync(results) ? readdirSync(results) : []) {
    if (!kinds.some((kind) => file.includes(`.${kind}.`))) continue;
    const text = readFileSync(join(results, file), 'utf8');
    if (file.endsWith('.json')) {
      const report = JSON.parse(text);
      passed += report.numPassedTests;
      failed += report.numFailedTests;
      skipped += report.numPendingTests + report.numTodoTests;
    } else if (file.endsWith('.xml')) {
      const count = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(text)?.[1] ?? 0);
      const broken = count('failures') + count('errors');
      failed += broken;
      skipped += count('skipped');
      passed += count('tests') - broken - count('skipped');
    }
  }
  process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  return { passed, failed };
}

async function test(kinds, targets, env = {}) {
  const code = await nx(targets, { args: ['--nxBail=false', ...rest], env });
  const { passed, failed } = summary(kinds);
  return code !== 0 || failed > 0 || passed === 0 ? 1 : 0;
}

/** Builds what has changed and runs a program of the build. */
const built = async (main) => {
  await build();
  return run('node', [main, ...rest]);
};

/** The same for the event store, which needs nothing else of oO. */
const eventstore = async (main) => {
  await step('build', 'nx', [
    'run-many',
    '--targets=build',
    '--projects=@oo/eventstore',
    '--outputStyle=static',
  ]);
  return run('node', [`infra/eventstore/dist/${main}`, ...rest]);
};

const withBrowser = async (go) => go({ OO_CHROMIUM: await ensureBrowser() });

const VERBS = {
  start: async () => {
    await build();
    return run('node', ['bundle/oo.js', 'up', ...rest]);
  },
  test: () =>
    withBrowser((env) =>
      test(['unit', 'int', 'e2e'], ['lint', 'build', 'test:unit', 'test:int', 'test:e2e'], env),
    ),
  'test:unit': () => test(['unit'], ['test:unit']),
  'test:int': () => test(['int'], ['test:int']),
  'test:e2e': () => withBrowser((env) => test(['e2e'], ['test:e2e'], env)),
  'test:long': () => withBrowser((env) => test(['long'], ['test:long'], env)),
  build: () => nx(['build', 'bundle'], { args: rest }),
  lint: () => nx(['lint'], { args: rest }),
  format: async () => {
    const biome = await run('biome', ['check', '--write', '.']);
    const ruff = await run('python', [
      '-m',
      'ruff',
      'format',
      '--config',
      'ml/pyproject.toml',
      'ml',
      'contracts/python',
      'examples',
    ]);
    return biome || ruff;
  },
  bench: () => built('infra/bench/dist/main.js'),
  'bench:history': () => built('infra/bench/dist/history-main.js'),
  simulate: () => built('infra/simulation/dist/main.js'),
  chaos: () => built('infra/chaos/dist/main.js'),
  eventstore: () => eventstore('main.js'),
  'eventstore:null': () => eventstore('null/main.js'),
  'bench:eventstore': () => eventstore('bench/main.js'),
  'eventstore:kill': () => eventstore('testing/kill-main.js'),
  'eventstore:faults': () =>
    run('vitest', ['run', '--dir', 'infra/eventstore', '--reporter=verbose', 'unit.spec', ...rest], {
      OO_FAULT_SEEDS: process.env.OO_FAULT_SEEDS ?? '1000',
      OO_CRASH_SEEDS: process.env.OO_CRASH_SEEDS ?? '20',
      OO_FC_RUNS: process.env.OO_FC_RUNS ?? '2000',
    }),
  ope: () => run('python', ['-m', 'ml.evaluation.ope', ...rest]),
  'bench:bandit': () => run('python', ['-m', 'ml.evaluation.bandit', ...rest]),
  gate: () => run('python', ['-m', 'ml.evaluation.gate', ...rest]),
  prior: () => run('python', ['-m', 'ml.pipelines.prior', ...rest]),
  'bench:population': () => run('python', ['-m', 'ml.evaluation.population', ...rest]),
  determinism: () => run('python', ['-m', 'ml.evaluation.determinism', ...rest]),
  'bench:moments': () => run('python', ['-m', 'ml.evaluation.moments', ...rest]),
  'contracts:baseline': async () =>
    (await run('buf', ['breaking', 'contracts', '--against', 'contracts/proto.baseline.json'])) ||
    run('buf', ['build', 'contracts', '--exclude-source-info', '-o', 'contracts/proto.baseline.json']),
  adr: () => run('node', ['infra/toolchain/adr-index.mjs', ...rest]),
  pin: async () => {
    await pinPython();
    return 0;
  },
};

try {
  const act = VERBS[verb];
  if (act === undefined) {
    process.stderr.write(`oO: no verb ${verb}; there are ${Object.keys(VERBS).join(', ')}\n`);
    process.exit(2);
  }
  await ensureToolchain();
  process.exit(await act());
} catch (error) {
  fail(error);
}
