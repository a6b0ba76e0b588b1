import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { RunFile } from '@oo/embedded';
import { type Measurement, measurement } from './measurement.js';

const residentMiB = (pid: number): number => {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`no memory figure for pid ${pid}`);
  return Number(kib) / 1024;
};

async function bare(command: string, args: string[]): Promise<number> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(child.stdout, 'data');
    return residentMiB(child.pid ?? 0);
  } finally {
    child.kill();
  }
}

/** Resident memory of each process, over that of its bare runtime; a server that is not ours is its own baseline. */
export async function memory(run: RunFile): Promise<Measurement[]> {
  const node = await bare(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1e6)']);
  const python = await bare(process.env.OO_PYTHON ?? 'python3', [
    '-c',
    'print(1, flush=True); import time; time.sleep(60)',
  ]);
  return run.processes.map(({ name, pid }) => {
    const value = residentMiB(pid);
    const [baseline, against] =
      name === 'recommender'
        ? [python, 'bare Python']
        : name === 'postgres' || name === 'nats-server'
          ? [value, 'itself']
          : [node, 'bare Node'];
    return measurement(`memory-${name}`, value, 'MiB', baseline, against);
  });
}
