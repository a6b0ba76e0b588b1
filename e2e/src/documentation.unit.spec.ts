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
