import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTimeOf } from '@oo/embedded';

/** The lock's file in a data folder. */
export const LOCK_FILE = 'up.lock';
const PAUSE_MS = 5;
/** What a taker does takes a moment; one that takes longer has been stopped, and counts as the holder. */
const PATIENCE = 1_000;

/**
 * Takes the data folder for this process. A lock that a killed process left behind is taken over.
 * @returns a function that gives it back, or the pid of the process that has it.
 */
export function lockDataFolder(dataDir: string): (() => void) | number {
  return take(join(dataDir, LOCK_FILE));
}

function take(path: string): (() => void) | number {
  // Linked when it is written whole, so that nobody reads half a lock.
  const mine = `${path}.${randomUUID()}`;
  writeFileSync(mine, `${process.pid} ${startTimeOf(process.pid) ?? ''}`, { mode: 0o600 });
  const release = () => rmSync(path, { force: true });
  try {
    for (let waited = 0; ; ) {
      if (linked(mine, path)) return release;
      const found = contentOf(path);
      if (found === undefined) continue;
      const holder = livingHolder(found);
      if (holder !== undefined) return holder;
      // One at a time may take over, so that nobody takes the new lock for the old one. Whoever may looks again:
      // it may have been taken over since it was read.
      const taking = take(`${path}.taking`);
      if (typeof taking === 'number') {
        waited += 1;
        if (waited > PATIENCE) return taking;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
        continue;
      }
      try {
        if (contentOf(path) !== found) continue;
        renameSync(mine, path);
        return release;
      } finally {
        taking();
      }
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined where it has been given back in the meantime. */
function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function livingHolder(content: string): number | undefined {
  const [pid, startTime] = content.split(' ');
  const holder = Number(pid);
  return startTime !== undefined && startTime !== '' && startTimeOf(holder) === startTime
    ? holder
    : undefined;
}
