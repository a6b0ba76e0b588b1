import { startTimeOf } from './process-identity.js';
import type { RunFile } from './run-file.js';

const PATIENCE_MS = 10_000;

/** Ends what a killed supervisor left running, so that its data folder and ports are free. Gives the names. */
export async function endOrphans(run: RunFile): Promise<string[]> {
  const alive = ({ pid, startTime }: { pid: number; startTime: string }) => startTimeOf(pid) === startTime;
  const left = run.processes.filter(alive);
  for (const { name, pid } of left) process.kill(pid, name === 'postgres' ? 'SIGINT' : 'SIGTERM');
  const deadline = Date.now() + PATIENCE_MS;
  while (left.some(alive) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  for (const entry of left.filter(alive)) process.kill(entry.pid, 'SIGKILL');
  while (left.some(alive)) await new Promise((resolve) => setTimeout(resolve, 20));
  return left.map(({ name }) => name);
}
