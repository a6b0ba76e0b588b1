import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A server in a process of its own, so that it can be killed. */
export interface ServerProcess {
  readonly port: number;
  readonly output: () => string;
  signal(signal: NodeJS.Signals): Promise<number | null>;
  /** Resident, MB. */
  memory(): number;
}

/** Runs `main.ts` under Node itself, which strips the types. */
const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** Starts the command and waits for the line that says it is ready. @throws with its output when it ends before. */
export function startProcess(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return new Promise((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const ready = /eventstore ready on \S+:(\d+)/.exec(output);
      if (ready === null) return;
      resolve({
        port: Number(ready[1]),
        output: () => output,
        signal: (signal) => {
          child.kill(signal);
          return ended;
        },
        memory: () => {
          const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
          return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024;
        },
      });
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    void ended.then((code) => reject(new Error(`ended with code ${code}: ${output}`)));
  });
}

/** Runs the command to its end. */
export async function runCommand(
  args: readonly string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk: Buffer) => {
      said[stream] += chunk.toString();
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...said };
}
