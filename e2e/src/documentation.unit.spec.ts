import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '@oo/embedded';
import { describe, expect, it } from 'vitest';

const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .filter((page) => existsSync(join(ROOT, page)));

/** Targets of Markdown links and pictures that lie in the checkout. */
function localTargets(text: string): string[] {
  const prose = text.replace(/```[\s\S]*?```/g, '').replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/!?\[[^\]]*\]\(([^)\s]+)[^)]*\)/g)]
    .map(([, target]) => (target ?? '').split('#')[0] ?? '')
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target));
}

describe('documentation', () => {
  it.each(pages)('%s has no link that leads nowhere', (page) => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const broken = localTargets(text).filter((target) => !existsSync(join(ROOT, dirname(page), target)));
    expect(broken).toEqual([]);
  });

  it('finds a link that leads nowhere', () => {
    expect(localTargets('[a](missing.md) `[b](code.md)` [c](https://example.org)')).toEqual(['missing.md']);
  });
});

/** Rows of the tables of failures: what fails, and the file and the words of the test that proves how it heals. */
function failures(text: string): { failure: string; file: string; words: string }[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|(-|\s*failure )/.test(line))
    .map((line) => {
      const [failure = '', , , test = ''] = line
        .split('|')
        .slice(1)
        .map((cell) => cell.trim());
      const [, file = '', words = ''] = /^`([^`]+)`: (.+)$/.exec(test) ?? [];
      return { failure, file, words };
    });
}

describe('docs/failures.md', () => {
  const rows = failures(readFileSync(join(ROOT, 'docs/failures.md'), 'utf8'));
  const isThere = ({ file, words }: { file: string; words: string }) =>
    file !== '' &&
    existsSync(join(ROOT, file)) &&
    readFileSync(join(ROOT, file), 'utf8').replaceAll("\\'", "'").includes(words);

  it('has rows', () => expect(rows.length).toBeGreaterThan(30));

  it.each(rows)('$failure: its test is there', (row) => {
    expect(isThere(row), `${row.file}: ${row.words}`).toBe(true);
  });

  it('misses a test that is not there', () => {
    const [row] = failures('| a | b | c | `e2e/src/documentation.unit.spec.ts`: no such '.concat('words |'));
    expect(row).toBeDefined();
    expect(row !== undefined && isThere(row)).toBe(false);
  });
});

describe('every deployable part', () => {
  const folders = ['auth', 'gateway', 'integrations', 'profile', 'relay', 'signals', 'tips'].map(
    (name) => `services/${name}`,
  );
  it.each([...folders, 'projections', 'infra/eventstore', 'infra/identity', 'ml', 'web'])(
    '%s has a README',
    (folder) => {
      expect(existsSync(join(ROOT, folder, 'README.md'))).toBe(true);
    },
  );
});
