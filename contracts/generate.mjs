// Makes the TypeScript and the Python side out of proto/. Both land in generated/, which git ignores.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const python = process.env.OO_PYTHON ?? join(here, '../.toolchain/python/bin/python');
const run = (command, args) => execFileSync(command, args, { cwd: here, stdio: 'inherit' });

run(join(here, '../node_modules/.bin/buf'), ['generate']);
rmSync(join(here, 'generated/python'), { recursive: true, force: true });
mkdirSync(join(here, 'generated/python'), { recursive: true });
const protos = readdirSync(join(here, 'proto'), { recursive: true }).filter((file) =>
  file.endsWith('.proto'),
);
run(python, [
  '-m',
  'grpc_tools.protoc',
  '--proto_path=proto',
  '--python_out=generated/python',
  '--pyi_out=generated/python',
  ...protos,
]);
