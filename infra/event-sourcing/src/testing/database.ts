import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, initPostgres, postgresAnswers, postgresCommand, postgresUrl } from '@oo/embedded';
import postgres from 'postgres';
import { startChild } from './child.js';

/** An empty database of its own. */
export interface TestDatabase {
  readonly url: string;
  close(): Promise<void>;
}

/** In the server that `OO_READMODELS_URL` names, or in one that is started for it. */
export async function startDatabase(): Promise<TestDatabase> {
  const given = process.env.OO_READMODELS_URL ?? '';
  const server = given === '' ? await startPostgres() : { url: given, close: async () => {} };
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
  const options = { dataDir: join(folder, 'data'), port: await freePort(), password: 'test' };
  await initPostgres(options);
  const child = await startChild(await postgresCommand(options), () => postgresAnswers(options));
  return {
    url: postgresUrl(options, 'postgres'),
    close: async () => {
      // The fast shutdown.
      await child.kill('SIGINT');
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
