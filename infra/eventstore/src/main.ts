#!/usr/bin/env node
import * as fs from 'node:fs';
import { parseArgs } from 'node:util';
import { startEventStore } from './server.js';
import type { EventStoreServerOptions } from './settings.js';
import { backup, type CopyOptions, restore } from './storage/backup.js';
import { disk } from './storage/files.js';
import { FolderLock } from './storage/folder-lock.js';
import { repairLog } from './storage/repair.js';
import { damageText } from './storage/segment.js';
import { verifyFolder } from './storage/verify.js';

const USAGE = `An embedded EventStoreDB.

  eventstore --data DIR [options]            starts a server and prints one line when it is ready
  eventstore verify --data DIR               reads everything in a data folder or a backup, and names what is damaged
  eventstore repair --data DIR               sets damaged parts aside in DIR/quarantine; the server must not run
  eventstore backup --data DIR --to DIR      copies a data folder, also while a server runs on it; again: what is new
  eventstore restore --from DIR --data DIR   copies a backup into an empty folder

Options of the server:
  --port N                 2113 unless given; 0 chooses a free one
  --host ADDRESS           127.0.0.1 unless given; another address takes --tls-cert, --tls-key and accounts
  --advertise-host NAME    the address that clients are told
  --tls-cert FILE --tls-key FILE   PEM; with them accounts are on
  --auth                   accounts without TLS, on a loopback address
  --allow-anonymous        callers without credentials may use the streams that are everyone's
  --system-streams MODE    $ce-, $et-, $bc-, $category- and $streams: on, off, or on-demand, which is the default
  --max-append-size BYTES  data in one append, 1048576 unless given
  --segment-size BYTES     268435456 unless given
  --stream-cache N         streams remembered in memory, 100000 unless given
  --idempotency-window N   event ids remembered for retries, 500000 unless given
  --repair                 repairs a damaged log before starting

The first passwords of the accounts admin and ops are taken from EVENTSTORE_ADMIN_PASSWORD and EVENTSTORE_OPS_PASSWORD.
`;

const OPTIONS = {
  data: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  port: { type: 'string', default: '2113' },
  host: { type: 'string', default: '127.0.0.1' },
  'advertise-host': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  auth: { type: 'boolean' },
  'allow-anonymous': { type: 'boolean' },
  'system-streams': { type: 'string' },
  'max-append-size': { type: 'string' },
  'segment-size': { type: 'string' },
  'stream-cache': { type: 'string' },
  'idempotency-window': { type: 'string' },
  repair: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parse>['values'];

function parse() {
  return parseArgs({ options: OPTIONS, allowPositionals: true });
}

async function main(): Promise<void> {
  const { values, positionals } = parse();
  const command = positionals[0];
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  switch (command) {
    case undefined:
      return serve(values);
    case 'verify':
      return verify(required(values.data, '--data'));
    case 'repair':
      return repair(required(values.data, '--data'));
    case 'backup':
      return copy(backup, required(values.data, '--data'), required(values.to, '--to'));
    case 'restore':
      return copy(restore, required(values.from, '--from'), required(values.data, '--data'));
    default:
      throw new Error(`'${command}' is no command; there are verify, repair, backup and restore`);
  }
}

function required(value: string | undefined, name: string): string {
  if (value === undefined || value === '') throw new Error(`${name} DIR is missing; --help tells more`);
  return value;
}

function whole(
  values: Values,
  name: 'port' | 'max-append-size' | 'segment-size' | 'stream-cache' | 'idempotency-window',
) {
  const text = values[name];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`--${name} is '${text}'; it takes a whole number`);
  return Number(text);
}

function serverOptions(values: Values): EventStoreServerOptions {
  const mode = values['system-streams'];
  if (mode !== undefined && mode !== 'on' && mode !== 'off' && mode !== 'on-demand') {
    throw new Error(`--system-streams is '${mode}'; it takes on, off or on-demand`);
  }
  const cert = values['tls-cert'];
  const key = values['tls-key'];
  if ((cert === undefined) !== (key === undefined))
    throw new Error('--tls-cert and --tls-key are given together');
  return {
    dataDir: required(values.data, '--data'),
    port: whole(values, 'port') ?? 2113,
    host: values.host,
    advertiseHost: values['advertise-host'],
    tls:
      cert === undefined || key === undefined
        ? undefined
        : { cert: fs.readFileSync(cert), key: fs.readFileSync(key) },
    auth: values.auth,
    allowAnonymous: values['allow-anonymous'],
    adminPassword: process.env.EVENTSTORE_ADMIN_PASSWORD,
    opsPassword: process.env.EVENTSTORE_OPS_PASSWORD,
    systemStreams: mode,
    repair: values.repair,
    maxAppendSize: whole(values, 'max-append-size'),
    segmentSize: whole(values, 'segment-size'),
    streamCache: whole(values, 'stream-cache'),
    idempotencyWindow: whole(values, 'idempotency-window'),
  };
}

async function serve(values: Values): Promise<void> {
  let stop = (): void => {
    // Nothing was taken yet.
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop());
  const server = await startEventStore(serverOptions(values));
  stop = () => void server.close();
  process.stdout.write(`eventstore ready on ${values.host}:${server.port}\n`);
  await server.closed;
}

function verify(directory: string): void {
  const report = verifyFolder({
    files: disk,
    directory,
    progress: (file, done, total) => process.stderr.write(`verify ${done}/${total} ${file}\n`),
  });
  for (const damage of report.damage) process.stdout.write(`${damageText(damage)}\n`);
  for (const index of report.indexes) process.stdout.write(`${index}; it is rebuilt at the next start\n`);
  process.stdout.write(
    `${report.segments} segments, ${report.records} records, ${report.bytes} bytes, ${report.damage.length} damaged places\n`,
  );
  if (report.damage.length > 0) process.exitCode = 2;
}

async function repair(directory: string): Promise<void> {
  const lock = FolderLock.acquire(directory);
  try {
    await repairLog({ files: disk, directory, report: (message) => process.stdout.write(`${message}\n`) });
  } finally {
    lock.release();
  }
}

async function copy(
  run: (options: CopyOptions) => ReturnType<typeof backup>,
  from: string,
  to: string,
): Promise<void> {
  let shown = -1;
  const report = await run({
    files: disk,
    from,
    to,
    progress: (file, done, total) => {
      const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
      if (percent === shown) return;
      shown = percent;
      process.stderr.write(`${percent}% ${file}\n`);
    },
  });
  process.stdout.write(
    `${report.copiedBytes} bytes copied, ${report.reusedBytes} were there; the copy holds the log up to ${report.position}\n`,
  );
}

main().then(
  () => process.exit(process.exitCode ?? 0),
  (error: unknown) => {
    process.stderr.write(`eventstore: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
