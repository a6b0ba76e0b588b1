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
  /** Asked while that takes long: what it waits for, where it says so. */
  readonly waitsFor?: () => Promise<string | undefined>;
  /** Where its health is read, if it has such a place. */
  readonly healthUrl?: string;
  readonly stopSignal?: NodeJS.Signals;
  /**
   * Told before it is started again how it ended, and how often in a row, without a steady run in between. It may remove
   * what that comes of, and says what it did.
   */
  readonly mend?: (how: string, endsInARow: number) => string | undefined;
  /** Told each line of its standard output. */
  readonly onLine?: (line: string) => void;
}

interface Running {
  readonly spec: ProcessSpec;
  child: ChildProcess;
  startTime: string;
  restarts: number;
  /** Ends in a row, without a steady run between them: how long the next start is put off. */
  endsInARow: number;
  startedAt: number;
  /** The end of what it wrote to standard error. */
  tail: string;
  /** Why it is not started again, once that is so. */
  refusal?: string;
  wasReady: boolean;
  /** Somebody waits for it to be ready again. */
  awaited: boolean;
}

export interface SupervisorEvents {
  /** A process ended that should not have; it is started again after `delayMs`. */
  onCrash(name: string, how: string, delayMs: number): void;
  /** Something was done so that a process may stay. */
  onMend?(name: string, what: string): void;
  /** A process that starts is not ready yet, and says why. */
  onWait?(name: string, why: string): void;
  /** A process that was started again is ready. */
  onBack?(name: string): void;
  /** A process that had been ready does not take its configuration; it is not started again. */
  onRefusal?(message: string): void;
  /** The set of pids has changed. */
  onChange(): void;
}

const LOG_LIMIT = 16 * 1024 * 1024;
const READY_TIMEOUT_MS = 90_000;
/** A start that takes longer is asked what it waits for. */
const PATIENCE_MS = 5_000;
const STOP_TIMEOUT_MS = 10_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
const STEADY_MS = 30_000;
/** EX_CONFIG of sysexits.h: another start with the same configuration would end the same way. */
const EXIT_CONFIG = 78;
const TAIL_LENGTH = 16 * 1024;
const LINE_LENGTH = 300;
/** This often in a row before it is ready, and the start is given up. */
const ENOUGH_ENDS = 5;
/** Between two looks at a process that starts: each look costs it and its neighbours time. */
const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 150;

/** A process ended since its configuration is wrong; the message names the process and every variable. */
export class ConfigurationRefused extends Error {}

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

  /**
   * Starts a process and waits until it is ready.
   * @throws ConfigurationRefused as soon as it ends for its configuration
   * @throws Error that names its log when it never is ready
   */
  async start(spec: ProcessSpec, timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    if (this.stopping) return;
    const log = this.openLog(spec.name);
    const running: Running = {
      spec,
      child: this.spawn(spec, log),
      startTime: '',
      restarts: 0,
      endsInARow: 0,
      startedAt: Date.now(),
      tail: '',
      wasReady: false,
      awaited: false,
    };
    this.running.push(running);
    this.watch(running, log);
    await this.untilReady(running, timeoutMs);
    if (!this.stopping) running.wasReady = true;
  }

  private async untilReady(running: Running, timeoutMs: number): Promise<void> {
    const { spec } = running;
    const deadline = Date.now() + timeoutMs;
    let ask = Date.now() + PATIENCE_MS;
    let why: string | undefined;
    for (let pause = FIRST_PAUSE_MS; !(await spec.ready()); pause = Math.min(pause * 1.2, LONGEST_PAUSE_MS)) {
      if (this.stopping) return;
      if (running.refusal !== undefined) throw new ConfigurationRefused(running.refusal);
      if (Date.now() > deadline) {
        const reason = why === undefined ? '' : `: ${why}`;
        throw new Error(`${spec.name} did not become ready${reason}; see ${this.logPath(spec.name)}`);
      }
      if (Date.now() > ask) {
        ask = Date.now() + PATIENCE_MS;
        const before = why;
        why = await spec.waitsFor?.();
        if (why !== undefined && why !== before) this.events.onWait?.(spec.name, why);
      }
      if (running.endsInARow >= ENOUGH_ENDS)
        throw new Error(
          `${spec.name} ends again and again${lastWords(running.tail)}; see ${this.logPath(spec.name)}`,
        );
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
    running.tail = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      running.tail = (running.tail + chunk.toString('utf8')).slice(-TAIL_LENGTH);
    });
    const end = (how: string) => {
      if (over || this.stopping) return;
      over = true;
      if (Date.now() - running.startedAt > STEADY_MS) running.endsInARow = 0;
      const delay = Math.min(FIRST_DELAY_MS * 2 ** running.endsInARow, LONGEST_DELAY_MS);
      running.endsInARow += 1;
      this.events.onCrash(spec.name, how, delay);
      setTimeout(() => this.startAgain(running, log, how), delay);
    };
    child.once('error', (error) => end(error.message));
    child.once('close', (code, signal) => {
      if (code !== EXIT_CONFIG) return end(signal === null ? `exit ${code}` : signal);
      if (over || this.stopping) return;
      over = true;
      running.refusal = refusalOf(spec.name, running.tail, this.logPath(spec.name));
      if (running.wasReady) this.events.onRefusal?.(running.refusal);
    });
  }

  private startAgain(running: Running, log: WriteStream, how: string): void {
    if (this.stopping) return;
    const { spec } = running;
    try {
      const mended = spec.mend?.(how, running.endsInARow);
      if (mended !== undefined) this.events.onMend?.(spec.name, mended);
    } catch (error) {
      // It is started all the same: what could not be mended may not be what it ends of.
      this.events.onMend?.(
        spec.name,
        `could not be mended: ${error instanceof Error ? error.message : error}`,
      );
    }
    running.child = this.spawn(spec, log);
    running.startedAt = Date.now();
    running.restarts += 1;
    this.watch(running, log);
    if (!running.wasReady || running.awaited) return;
    // Whoever started it has long been told that it is ready; now they are told that it is so again.
    running.awaited = true;
    const back = async () => {
      while (!this.stopping && running.refusal === undefined && !(await spec.ready().catch(() => false)))
        await new Promise((resolve) => setTimeout(resolve, LONGEST_PAUSE_MS));
      running.awaited = false;
      if (!this.stopping && running.refusal === undefined) this.events.onBack?.(spec.name);
    };
    void back();
  }
}

/** Says why a process ended with {@link EXIT_CONFIG}: by the `problems` of the last line of JSON that it logged. */
function refusalOf(name: string, tail: string, log: string): string {
  const problems =
    tail
      .split('\n')
      .reverse()
      .map(problemsIn)
      .find((found) => found.length > 0) ?? [];
  const what = problems.length > 0 ? problems.map((line) => `\n  ${line}`).join('') : ` see ${log}`;
  return `${name} does not take its configuration:${what}`;
}

/** The last error in what a process wrote to standard error, or else its last line. */
function lastWords(tail: string): string {
  const newestFirst = tail
    .split('\n')
    .filter((line) => line.trim() !== '')
    .reverse();
  for (const line of newestFirst) {
    const { err } = asJson<{ err?: { message?: unknown } }>(line);
    if (typeof err?.message === 'string') return `, with: ${err.message}`;
  }
  return newestFirst[0] === undefined ? '' : `, with: ${newestFirst[0].slice(0, LINE_LENGTH)}`;
}

function problemsIn(line: string): string[] {
  const { problems } = asJson<{ problems?: unknown }>(line);
  return Array.isArray(problems) ? problems.filter((one) => typeof one === 'string') : [];
}

/** What a line of a log says; nothing where it is no such line, or was cut. */
function asJson<Line extends object>(line: string): Partial<Line> {
  if (!line.startsWith('{')) return {};
  try {
    return JSON.parse(line) as Line;
  } catch {
    return {};
  }
}
