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
    copyFileSync(join(ROOT, 'biome.json'), join(folder, 'biome.json'));
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
  it.each(['node:fs', 'node:crypto', '@nestjs/common', 'postgres', '@nats-io/transport-node', '../main.js'])(
    'may not import %s',
    (module) => {
      expect(lint(path, `import * as it from '${module}';\nexport { it };\n`)).toContain(
        'noRestrictedImports',
      );
    },
  );

  it.each(['@oo/contracts', './neighbour.js'])('may import %s', (module) => {
    expect(lint(path, `import * as it from '${module}';\nexport { it };\n`)).not.toContain(
      'noRestrictedImports',
    );
  });
});
