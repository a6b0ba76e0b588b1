// What the baseline does not know, `buf breaking` does not guard: says so when a message or field was added since.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const options = { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 };
const built = execFileSync(
  'buf',
  ['build', 'contracts', '--exclude-source-info', '-o', '-#format=json'],
  options,
);
const kept = readFileSync(join(root, 'contracts/proto.baseline.json'), 'utf8');
if (JSON.stringify(JSON.parse(built)) !== JSON.stringify(JSON.parse(kept))) {
  process.stderr.write('contracts/proto.baseline.json is out of date; run: npm run contracts:baseline\n');
  process.exit(1);
}
