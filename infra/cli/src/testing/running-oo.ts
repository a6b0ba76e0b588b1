import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { QUERIES } from '@oo/contracts';
import { bundled, freePort, ROOT, type RunFile, readRunFile } from '@oo/embedded';

const CLI = bundled('oo');
const START_TIMEOUT_MS = 240_000;

/** Workers that have to be at the store's head for the system to be quiet. */
const WORKERS = ['relay', 'proposals', 'deadlines', 'recommender', 'current-tip', 'timeline', 'decisions'];

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The whole product, started by its own command in a data folder of its own. */
export class RunningOo {
  private child: ChildProcess | undefined;
  private output = '';
  private broker: NatsConnection | undefined;

  private constructor(
    readonly dataDir: string,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  /** @param env settings over the defaults; `from` is a data folder to go on with, `until` as in {@link start}. */
  static async start(
    env: Readonly<Record<string, string>> = {},
    from?: string,
    until?: RegExp,
  ): Promise<RunningOo> {
    const oo = new RunningOo(from ?? mkdtempSync(join(tmpdir(), 'oo-e2e-')), { OO_DEMO_WEEKS: '1', ...env });
    await oo.start(until);
    return oo;
  }

  /** @param until what its output has to say; that it is ready by default */
  async start(until = /oO is ready: /): Promise<void> {
    const port = this.env.OO_PORT ?? String(await freePort());
    this.output = '';
    const child = spawn(process.execPath, [CLI, 'up'], {
      env: { ...this.environment, OO_PORT: port },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    const keep = (chunk: Buffer) => {
      this.output += chunk.toString('utf8');
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!until.test(this.output)) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`oO did not start:\n${this.output}`);
      await pause(50);
    }
  }

  get lines(): string {
    return this.output;
  }

  get run(): RunFile {
    const run = readRunFile(this.dataDir);
    if (run === undefined) throw new Error(`no run file in ${this.dataDir}`);
    return run;
  }

  get url(): string {
    return this.run.url;
  }

  private get environment(): Record<string, string> {
    return { ...(process.env as Record<string, string>), ...this.env, OO_DATA_DIR: this.dataDir };
  }

  /** Runs `oo ...` beside it. */
  oo(...args: string[]): Promise<CommandResult> {
    return execute(process.execPath, [CLI, ...args], this.environment);
  }

  /** Runs `oo ... --json` and gives what it printed. @throws Error when it failed. */
  async json<Answer>(...args: string[]): Promise<Answer> {
    const { code, stdout, stderr } = await this.oo(...args, '--json');
    if (stdout === '') throw new Error(`oo ${args.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as Answer;
  }

  async nats(): Promise<NatsConnection> {
    if (this.broker === undefined || this.broker.isClosed()) {
      const url = new URL(this.run.environment.OO_NATS_URL ?? '');
      this.broker = await connect({ servers: url.host, token: url.username, maxReconnectAttempts: -1 });
    }
    return this.broker;
  }

  /** Waits until every worker has handled all there is and has nothing due. */
  async quiet(timeoutMs = 60_000): Promise<void> {
    const nats = await this.nats();
    const deadline = Date.now() + timeoutMs;
    const head = async () =>
      (await nats.request(QUERIES.historyHead, '{}', { timeout: 5000 })).json<{ position: string }>()
        .position;
    for (;;) {
      try {
        const position = await head();
        const replies = await Promise.all(
          WORKERS.map(async (worker) =>
            (
              await nats.request(QUERIES.progress(worker), JSON.stringify({ position, timeoutMs: 3000 }), {
                timeout: 5000,
              })
            ).json<{ settled: boolean }>(),
          ),
        );
        if (replies.every(({ settled }) => settled) && (await head()) === position) return;
      } catch (error) {
        // A part that is being started again does not answer yet.
        if (Date.now() > deadline) throw error;
        await pause(100);
      }
      if (Date.now() > deadline)
        throw new Error(`not quiet after ${timeoutMs} ms: ${(await this.oo('status')).stdout}`);
    }
  }

  /** kill -9. @returns the pid that it had */
  kill(name: string): number {
    const entry = this.run.processes.find((candidate) => candidate.name === name);
    if (entry === undefined) throw new Error(`no process ${name} in ${JSON.stringify(this.run.processes)}`);
    process.kill(entry.pid, 'SIGKILL');
    return entry.pid;
  }

  /** Ends it as Ctrl-C does, or with another signal. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    await this.broker?.close();
    this.broker = undefined;
    const child = this.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await closed;
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

export function execute(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
  cwd = ROOT,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(command, args, { env, cwd, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}

/** Asks again until the answer is there. @throws Error with `what` after the time-out */
export async function eventually<Answer>(
  what: string,
  ask: () => Promise<Answer | undefined>,
  timeoutMs = 30_000,
): Promise<Answer> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await pause(50);
  }
}
