import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from '@oo/embedded';
import { describe, expect, it } from 'vitest';

/** What the linter, configured as here, says of a file with this path and content. */
function lint(path: string, content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'oo-lint-'));
  try {
    for (const file of ['biome.json', 'infra/toolchain/no-random.grit']) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      copyFileSync(join(ROOT, file), join(folder, file));
    }
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
    const { stdout, stderr } = spawnSync(
      join(ROOT, 'node_modules/.bin/biome'),
      ['lint', '--colors=off', '--vcs-enabled=false', path],
      { cwd: folder, encoding: 'utf8' },
    );
    return `${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const DOMAIN_FILES = [
  'services/signals/src/domain/probe.ts',
  'services/tips/src/domain/probe.ts',
  'projections/src/current-tip/apply.ts',
  'services/integrations/src/demo/mapper.ts',
];

describe.each(DOMAIN_FILES)('%s', (path) => {
  it.each([
    'node:fs',
    'node:crypto',
    '@nestjs/common',
    'postgres',
    '@nats-io/transport-node',
    '@oo/event-sourcing',
    '../main.js',
    './../main.js',
    './queries.js',
  ])('may not import %s', (module) => {
    expect(lint(path, `import * as it from '${module}';\nexport { it };\n`)).toContain('noRestrictedImports');
  });

  it.each(['@oo/contracts', '@oo/event-sourcing/pure', './neighbour.js'])('may import %s', (module) => {
    expect(lint(path, `import * as it from '${module}';\nexport { it };\n`)).not.toContain(
      'noRestrictedImports',
    );
  });

  it.each([
    'Date.now()',
    'new Date()',
    'Math.random()',
    'crypto.randomUUID()',
    'performance.now()',
    'fetch("x")',
  ])('may not use %s', (expression) => {
    expect(lint(path, `export const it = () => ${expression};\n`)).toMatch(
      /are pure: time, ids and random draws are arguments/,
    );
  });

  it('may calculate', () => {
    expect(lint(path, 'export const least = (one: number) => Math.min(one, 2);\n')).not.toContain('are pure');
  });
});

it('loads nothing that reaches a server with what domain files may import', () => {
  const probe = `
    const { registerHooks } = await import('node:module');
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import('@oo/event-sourcing/pure');
    console.log(JSON.stringify(loaded));`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', probe], {
    cwd: join(ROOT, 'projections'),
    encoding: 'utf8',
  });
  const loaded = JSON.parse(stdout) as string[];
  expect(loaded.filter((url) => url.includes('/event-sourcing/')).length).toBeGreaterThan(5);
  // Contracts hash and name; they reach nothing.
  const allowed = [
    '/infra/event-sourcing/',
    '/contracts/',
    '/zod/',
    '/@bufbuild/',
    '/canonicalize/',
    '/uuid/',
  ];
  const others = loaded.filter((url) => !allowed.some((part) => url.includes(part)) && url !== 'node:crypto');
  expect(others).toEqual([]);
});

it('does not bind what is no domain file', () => {
  expect(
    lint('services/tips/src/probe.ts', 'export const now = () => Date.now() + Math.random();\n'),
  ).not.toContain('are pure');
});
