import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '@oo/embedded';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CommandError } from '../output.js';
import { newProjection } from './new-projection.js';

// In a copy of the package within the checkout, from where it finds what it imports.
const results = join(ROOT, 'test-results');
let copy: string;

beforeAll(() => {
  mkdirSync(results, { recursive: true });
  copy = mkdtempSync(join(results, 'new-projection-'));
  cpSync(join(ROOT, 'projections/src'), join(copy, 'src'), { recursive: true });
  for (const file of ['package.json', 'README.md']) cpSync(join(ROOT, 'projections', file), join(copy, file));
  const paths = { extends: '../../tsconfig.base.json', include: ['src'] };
  const compilerOptions = { noEmit: true, composite: false, incremental: false };
  writeFileSync(join(copy, 'tsconfig.json'), JSON.stringify({ ...paths, compilerOptions }));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

const run = promisify(execFile);
const bin = (name: string) => join(ROOT, 'node_modules/.bin', name);

describe('oo projection new', () => {
  it('makes a folder that compiles, is well formed, and passes the suite that it inherits and its own', async () => {
    const { files } = newProjection('weekly-moods', copy);
    expect(files).toHaveLength(8);
    const cwd = copy;
    await run(bin('tsc'), ['-p', 'tsconfig.json'], { cwd });
    const made = [join(copy, 'src/weekly-moods'), join(copy, 'src/registry.ts'), join(copy, 'src/index.ts')];
    await run(bin('biome'), ['lint', '--vcs-enabled=false', ...made], { cwd: ROOT });
    const output = join(copy, 'report.json');
    await run(
      bin('vitest'),
      [
        ...['run', '--config', join(ROOT, 'vitest.config.ts'), '--root', '.'],
        ...['--reporter=json', `--outputFile=${output}`, '-t', 'weekly-moods'],
        ...['src/projections.unit.spec', 'src/weekly-moods'],
      ],
      { cwd, maxBuffer: 2 ** 26 },
    );
    const report = JSON.parse(readFileSync(output, 'utf8')) as Report;
    const passed = report.testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ fullName, status }) => /weekly-moods/.test(fullName) && status === 'passed');
    expect(report.numFailedTests).toBe(0);
    // Six of the suite, and two of its own.
    expect(passed).toHaveLength(8);
    expect(readFileSync(join(copy, 'README.md'), 'utf8')).toContain('src/weekly-moods/README.md');
  }, 300_000);

  it('refuses what is no name, what is there, and what is not the projections', () => {
    expect(() => newProjection('Weekly', copy)).toThrow(CommandError);
    expect(() => newProjection('delete', copy)).toThrow('Choose another name');
    expect(() => newProjection('checkpoint', copy)).toThrow('Choose another name');
    expect(() => newProjection('timeline', copy)).toThrow('is there already');
    expect(() => newProjection('other', join(copy, 'src'))).toThrow('src/registry.ts');
  });
});

interface Report {
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}
