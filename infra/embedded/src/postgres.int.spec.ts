import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { prefixed } from './postgres.js';

it('finds and runs its programs where root alone may walk, as in a checkout below /root', ({ skip }) => {
  if (process.getuid?.() !== 0) skip('this is not root');
  const folder = mkdtempSync(join(tmpdir(), 'oo-closed-'));
  try {
    const program = join(folder, 'program');
    writeFileSync(program, '#!/bin/sh\nid -un\n', { mode: 0o755 });
    chmodSync(folder, 0o700);
    // initdb asks with access(2), as this does, before it runs what lies beside it.
    const asking = `require('fs').accessSync(process.argv[1], 1);
      process.stdout.write(require('child_process').execFileSync(process.argv[1]))`;
    const { command, args } = prefixed(process.execPath, ['--eval', asking, program]);
    expect(execFileSync(command, args, { encoding: 'utf8' })).toBe('postgres\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
