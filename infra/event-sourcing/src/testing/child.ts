import { type ChildProcess, spawn } from 'node:child_process';

/** A server that runs beside the tests. */
export interface Child {
  /** Ends it and waits until it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;

/**
 * Starts a server and waits until `answers` says so. It ends with this process.
 * @throws Error with the last words of the server when it does not come up
 */
export async function startChild(
  { command, args }: { command: string; args: readonly string[] },
  answers: () => Promise<boolean>,
): Promise<Child> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2_000);
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.removeListener('exit', end));
  for (const deadline = performance.now() + START_TIMEOUT_MS; !(await answers()); ) {
    if (hasEnded(child) || performance.now() > deadline) {
      end();
      throw new Error(`${command} did not start: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    kill: async (signal) => {
      if (hasEnded(child)) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await gone;
    },
  };
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;
