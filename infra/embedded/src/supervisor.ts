import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { startTimeOf } from './process-identity.js';

/** One process to be kept running. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Asked again and again until it says yes. */
  readonly ready: () => Promise<boolean>;
  /** Where its health is read, if it has such a place. */
  readonly healthUrl?: string;
  readonly stopSignal?: NodeJS.Signals;
  /** Told each line of its standard output. */
  readonly onLine?: (line: string) => void;
}

interface Running {
  readonly spec: ProcessSpec;
  child: ChildProcess;
  startTime: string;
  restarts: number;
  startedAt: number;
}

export interface SupervisorEvents {
  /** A process ended that should not have; it is started again after `delayMs`. */
  onCrash(name: string, how: string, delayMs: number): void;
  /** The set of pids has changed. */
  onChange(): void;
}

const LOG_LIMIT = 16 * 1024 * 1024;
const READY_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 10_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
const STEADY_MS = 30_000;
/** Between two looks at a process that starts: each look costs it and its neighbours time. */
const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 150;

/** Starts processes, restarts the ones that die, and stops them all, the last started first. */
export class Supervisor {
  private readonly running: Running[] = [];
  private stopping = false;

  constructor(
    private readonly logFolder: string,
    private readonly events: SupervisorEvents,
  ) {
    mkdirSync(logFolder, { recursive: true });
  }

  get processes(): { name: string; pid: number; startTime: string; healthUrl?: string; restarts: number }[] {
    return this.running.flatMap(({ spec, child, startTime, restarts }) =>
      child.pid === undefined
        ? []
        : [
            {
              name: spec.name,
              pid: child.pid,
              startTime,
              restarts,
              ...(spec.healthUrl === undefined ? {} : { healthUrl: spec.healthUrl }),
            },
          ],
    );
  }

  /** Starts a process and waits until it is ready. @throws Error that names its log when it never is. */
  async start(spec: ProcessSpec, timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    if (this.stopping) return;
    const log = this.openLog(spec.name);
    const running: Running = {
      spec,
      child: this.spawn(spec, log),
      startTime: '',
      restarts: 0,
      startedAt: Date.now(),
    };
    this.running.push(running);
    this.watch(running, log);
    const deadline = Date.now() + timeoutMs;
    for (let pause = FIRST_PAUSE_MS; !(await spec.ready()); pause = Math.min(pause * 1.2, LONGEST_PAUSE_MS)) {
      if (this.stopping) return;
      if (Date.now() > deadline)
        throw new Error(`${spec.name} did not become ready; see ${this.logPath(spec.name)}`);
      if (running.restarts >= 5)
        throw new Error(`${spec.name} ends again and again; see ${this.logPath(spec.name)}`);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Stops all processes, the last started first. Those that do not end in time are killed. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const { spec, child } of [...this.running].reverse()) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue;
      const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
      child.kill(spec.stopSignal ?? 'SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(killer);
    }
  }

  logPath(name: string): string {
    return join(this.logFolder, `${name}.log`);
  }

  private openLog(name: string): WriteStream {
    const path = this.logPath(name);
    if (existsSync(path) && statSync(path).size > LOG_LIMIT) renameSync(path, `${path}.1`);
    return createWriteStream(path, { flags: 'a', mode: 0o600 });
  }

  private spawn(spec: ProcessSpec, log: WriteStream): ChildProcess {
    // Where the system can do it, a child is told to end when this process is killed. It has a process group of
    // its own, so that Ctrl-C reaches this process only, which stops the others in order.
    const [command, ...args] =
      process.platform === 'linux' && existsSync('/usr/bin/setpriv')
        ? ['/usr/bin/setpriv', '--pdeathsig', spec.stopSignal ?? 'SIGTERM', '--', spec.command, ...spec.args]
        : [spec.command, ...spec.args];
    const child = spawn(command ?? spec.command, args, {
      env: { ...process.env, ...spec.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let rest = '';
    child.stdout.on('data', (chunk: Buffer) => {
      log.write(chunk);
      if (spec.onLine === undefined) return;
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) spec.onLine(line);
    });
    child.stderr.pipe(log, { end: false });
    return child;
  }

  private watch(running: Running, log: WriteStream): void {
    const { child, spec } = running;
    running.startTime = child.pid === undefined ? '' : (startTimeOf(child.pid) ?? '');
    this.events.onChange();
    let over = false;
    const end = (how: string) => {
      if (over || this.stopping) return;
      over = true;
      if (Date.now() - running.startedAt > STEADY_MS) running.restarts = 0;
      const delay = Math.min(FIRST_DELAY_MS * 2 ** running.restarts, LONGEST_DELAY_MS);
      running.restarts += 1;
      this.events.onCrash(spec.name, how, delay);
      setTimeout(() => {
        if (this.stopping) return;
        running.child = this.spawn(spec, log);
        running.startedAt = Date.now();
        this.watch(running, log);
      }, delay);
    };
    child.once('error', (error) => end(error.message));
    child.once('close', (code, signal) => end(signal === null ? `exit ${code}` : signal));
  }
}
