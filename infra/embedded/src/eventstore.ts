import { join } from 'node:path';
import { ROOT } from './toolchain-file.js';

/** The command that runs the embedded event store. */
export function eventStoreCommand(dataDir: string, port: number): { command: string; args: string[] } {
  const main = join(ROOT, 'infra/eventstore/dist/main.js');
  return { command: process.execPath, args: [main, '--data', dataDir, '--port', String(port)] };
}

export const eventStoreUrl = (port: number): string => `esdb://127.0.0.1:${port}?tls=false`;
