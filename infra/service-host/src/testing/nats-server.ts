import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A nats-server with JetStream in a temporary folder, on loopback. */
export interface TestNatsServer {
  readonly url: string;
  /** Where JetStream keeps its streams. */
  readonly dataDir: string;
  /** Ends it, by default as a crash would, and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again at the same address, on the same folder. */
  start(): Promise<void>;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 20_000;

/** The binary that `OO_NATS_SERVER` names, or the one of the project's toolchain. */
export function natsServerBinary(): string {
  const named = process.env.OO_NATS_SERVER;
  if (named !== undefined && named !== '') return named;
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; folder !== dirname(folder); folder = dirname(folder)) {
    const binary = join(folder, '.toolchain/python/bin/nats-server');
    if (existsSync(binary)) return binary;
  }
  throw new Error('there is no nats-server; run `npm start` once, or name one in OO_NATS_SERVER');
}

export async function startNatsServer(): Promise<TestNatsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'oo-nats-'));
  const [dataDir, ports, config] = [join(folder, 'js'), join(folder, 'ports'), join(folder, 'nats.conf')];
  const token = 'test';
  let child: ChildProcess | undefined;
  let port = -1;

  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await gone;
  };
  const start = async () => {
    const portsDir = await mkdtemp(ports);
    await writeFile(
      config,
      `listen: "127.0.0.1:${port}"\nauthorization { token: "${token}" }\nports_file_dir: "${portsDir}"\n` +
        `jetstream { store_dir: "${dataDir}" }\n`,
    );
    const started = spawn(natsServerBinary(), ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    let said = '';
    started.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-2_000);
    });
    process.once('exit', () => started.kill('SIGKILL'));
    for (const deadline = performance.now() + START_TIMEOUT_MS; ; ) {
      const found = await portOf(portsDir);
      if (found !== undefined) {
        port = found;
        return;
      }
      if (started.exitCode !== null || performance.now() > deadline) {
        throw new Error(`nats-server did not start: ${said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await start();
  return {
    url: `nats://${token}@127.0.0.1:${port}`,
    dataDir,
    kill,
    start,
    close: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The server writes its address into a file as soon as it listens. */
async function portOf(folder: string): Promise<number | undefined> {
  const file = (await readdir(folder)).find((name) => name.endsWith('.ports'));
  if (file === undefined) return undefined;
  const port = /127\.0\.0\.1:(\d+)/.exec(await readFile(join(folder, file), 'utf8'))?.[1];
  return port === undefined ? undefined : Number(port);
}
