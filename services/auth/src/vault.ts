import { setTimeout as pause } from 'node:timers/promises';
import type { TenantId } from '@oo/contracts';
import { Kysely, sql } from 'kysely';
import { PostgresJSDialect } from 'kysely-postgres-js';
import postgres from 'postgres';

/** Who a person is: what an identity provider calls them, and the pseudonym that everything else knows them by. */
interface PersonTable {
  issuer: string;
  subject: string;
  user_id: string;
  created_at: Date;
}

/** Personal access tokens; of the token itself only the hash is here. */
interface TokenTable {
  id: string;
  hash: Buffer;
  user_id: string;
  name: string;
  created_at: Date;
}

/** better-auth's own tables, as far as they are read here. */
interface AccountTable {
  userId: string;
  providerId: string;
  accountId: string;
}

export interface VaultTables {
  person: PersonTable;
  access_token: TokenTable;
  account: AccountTable;
}

export interface Vault {
  readonly db: Kysely<VaultTables>;
  /** The tenant that new people belong to. */
  readonly tenant: TenantId;
  /** True while the database answers. */
  answers(): Promise<boolean>;
  close(): Promise<void>;
}

// Any constant: whoever migrates holds it, so that two processes that start together take turns.
const MIGRATION_LOCK = 7_205_114;

/** The server is away, or takes no connections now (SQLSTATE 57P03: it starts, stops or recovers). */
const NOT_NOW = ['ECONNREFUSED', 'ECONNRESET', 'CONNECTION_CLOSED', 'CONNECT_TIMEOUT', '57P03'];
const ASKED_AGAIN_AFTER_MS = 200;
const WAITS_MS = 10_000;

/**
 * Opens the vault and brings its own tables up to date; better-auth's follow in `openSessions`. A server that is away is
 * waited for up to 10 s.
 * @param url `postgres://…`, the vault's database
 */
export async function openVault(url: string, tenant: TenantId): Promise<Vault> {
  const connections = postgres(url, {
    max: 8,
    connect_timeout: 5,
    // Left alone, it waits up to 20 s between attempts, and whoever signs in or sends waits with it.
    backoff: (attempt: number) => Math.min(2, 0.05 * 2 ** attempt),
    onnotice: () => undefined,
  });
  const db = new Kysely<VaultTables>({ dialect: new PostgresJSDialect({ postgres: connections }) });
  const vault: Vault = {
    db,
    tenant,
    answers: () =>
      connections`select 1`.then(
        () => true,
        () => false,
      ),
    // A statement that is under way is waited for, but not for ever.
    close: () => connections.end({ timeout: 5 }),
  };
  try {
    await onceItTakesConnections(() => whileMigrating(vault, createTables));
  } catch (error) {
    await vault.close();
    throw error;
  }
  return vault;
}

async function onceItTakesConnections(work: () => Promise<void>): Promise<void> {
  for (const began = performance.now(); ; ) {
    try {
      return await work();
    } catch (error) {
      const isAway = error instanceof Error && 'code' in error && NOT_NOW.includes(String(error.code));
      if (!isAway || performance.now() - began > WAITS_MS) throw error;
      await pause(ASKED_AGAIN_AFTER_MS);
    }
  }
}

/** Runs a migration alone among all processes. */
export async function whileMigrating(
  vault: Vault,
  migrate: (db: Kysely<VaultTables>) => Promise<void>,
): Promise<void> {
  await vault.db.connection().execute(async (db) => {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`.execute(db);
    try {
      await migrate(db);
    } finally {
      await sql`select pg_advisory_unlock(${MIGRATION_LOCK})`.execute(db);
    }
  });
}

async function createTables(db: Kysely<VaultTables>): Promise<void> {
  await db.schema
    .createTable('person')
    .ifNotExists()
    .addColumn('issuer', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('user_id', 'text', (column) => column.notNull().unique())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addPrimaryKeyConstraint('person_key', ['issuer', 'subject'])
    .execute();
  await db.schema
    .createTable('access_token')
    .ifNotExists()
    .addColumn('id', 'uuid', (column) => column.primaryKey())
    .addColumn('hash', 'bytea', (column) => column.notNull().unique())
    .addColumn('user_id', 'text', (column) =>
      column.notNull().references('person.user_id').onDelete('cascade'),
    )
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('access_token_user')
    .ifNotExists()
    .on('access_token')
    .column('user_id')
    .execute();
}
