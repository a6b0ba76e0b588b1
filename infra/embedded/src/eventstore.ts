import { bundled } from './toolchain-file.js';

/** The command that runs the embedded event store. */
export function eventStoreCommand(dataDir: string, port: number): { command: string; args: string[] } {
  return {
    command: process.execPath,
    args: [bundled('eventstore'), '--data', dataDir, '--port', String(port)],
  };
}

export const eventStoreUrl = (port: number): string => `esdb://127.0.0.1:${port}?tls=false`;

/** Where the embedded event store says over HTTP whether it takes appends. */
export const eventStoreHealthUrl = (port: number): string => `http://127.0.0.1:${port}/health/ready`;

/** The version that the event store behind a URL of its HTTP port reports; undefined where none answers. */
export async function eventStoreVersion(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(new URL('/info', url), { signal: AbortSignal.timeout(2000) });
    const { esVersion } = (await response.json()) as { esVersion?: unknown };
    return typeof esVersion === 'string' ? esVersion : undefined;
  } catch {
    return undefined;
  }
}
