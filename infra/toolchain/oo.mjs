#!/usr/bin/env node
// `npx oo`: hands over to the command line under the pinned Node.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { environment, root } from './toolchain.mjs';

const cli = join(root, 'bundle/oo.js');
if (!existsSync(cli)) {
  process.stderr.write('oO is not built yet. Run `npm start` once; it installs and builds everything.\n');
  process.exit(1);
}
const child = spawn('node', [cli, ...process.argv.slice(2)], { stdio: 'inherit', env: environment() });
// The child gets the terminal's Ctrl-C itself and decides when it is done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT') child.kill(signal);
  });
}
child.on('close', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
