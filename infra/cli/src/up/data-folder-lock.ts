import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTimeOf } from '@oo/embedded';

/**
 * Takes the data folder for this process. A lock that a killed process left behind is taken over.
 * @returns a function that gives it back, or the pid of the process that has it.
 */
export function lockDataFolder(dataDir: string): (() => void) | number {
  const path = join(dataDir, 'up.lock');
  for (;;) {
    try {
      // Linked when it is written whole, so that nobody reads half a lock.
      const mine = `${path}.${process.pid}`;
      writeFileSync(mine, `${process.pid} ${startTimeOf(process.pid) ?? ''}`, { mode: 0o600 });
      try {
        linkSync(mine, path);
      } finally {
        rmSync(mine);
      }
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid, startTime] = readFileSync(path, 'utf8').split(' ');
    const holder = Number(pid);
    if (startTime !== undefined && startTime !== '' && startTimeOf(holder) === startTime) return holder;
    rmSync(path, { force: true });
  }
}
