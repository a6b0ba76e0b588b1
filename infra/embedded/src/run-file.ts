import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const processEntry = z.object({
  name: z.string(),
  pid: z.int(),
  startTime: z.string(),
  healthUrl: z.string().optional(),
  /** How often it was started again since oO was started. */
  restarts: z.int().default(0),
});

const runFile = z.object({
  supervisor: z.object({ pid: z.int(), startTime: z.string() }),
  url: z.string(),
  environment: z.record(z.string(), z.string()),
  processes: z.array(processEntry),
  ready: z.boolean(),
});

/** What runs in a data folder now (or ran, when its supervisor was killed): the command line reads it. */
export type RunFile = z.infer<typeof runFile>;

const pathOf = (dataDir: string) => join(dataDir, 'run.json');

export function readRunFile(dataDir: string): RunFile | undefined {
  const path = pathOf(dataDir);
  if (!existsSync(path)) return undefined;
  try {
    return runFile.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    // Written by another version or by hand: it names nothing that could be trusted.
    return undefined;
  }
}

/** Holds connection strings with passwords, so only the owner may read it. Replaced at once, never half written. */
export function writeRunFile(dataDir: string, run: RunFile): void {
  const path = pathOf(dataDir);
  writeFileSync(`${path}.new`, `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function removeRunFile(dataDir: string): void {
  rmSync(pathOf(dataDir), { force: true });
}
