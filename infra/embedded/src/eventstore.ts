import { bundled } from './toolchain-file.js';

/** The command that runs the embedded event store. */
export function eventStoreCommand(dataDir: string, port: number): { command: string; args: string[] } {
  return {
    command: process.execPath,
    args: [bundled('eventstore'), '--data', dataDir, '--port', String(port)],
  };
}

export const eventStoreUrl = (port: number): string => `esdb://127.0.0.1:${port}?tls=false`;
