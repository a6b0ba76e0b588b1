import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '@oo/embedded';
import { describe, expect, it } from 'vitest';

/** What the linter says of a file with this path and content, without the file being there. */
function lint(path: string, content: string): string {
  const biome = join(ROOT, 'node_modules/.bin/biome');
  const { stdout, stderr } = spawnSync(biome, ['lint', '--colors=off', `--stdin-file-path=${path}`], {
    cwd: ROOT,
    input: content,
    encoding: 'utf8',
  });
  return `${stdout}${stderr}`;
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
