import { orWithoutTables, type ReadModels } from './postgres-read-model.js';

// What an operator says of a read model by name, whatever its version. It lives beside the rows and may be lost with
// them: then everything runs, which is the safe side.
export const PAUSED_TABLE = 'projections.paused';

export interface Pause {
  /** Since when, RFC 3339. */
  readonly since: string;
}

/** Pauses a read model; once this returns, no worker of it writes. Again is the same. */
export async function pause(sql: ReadModels, name: string, schema: string): Promise<void> {
  await sql.begin(async (transaction) => {
    for (const statement of pausedTable()) await transaction.unsafe(statement);
    // Whoever has begun is waited for; whoever begins later finds the row.
    await transaction`select pg_advisory_xact_lock(${gateOf(schema)})`;
    await transaction`insert into projections.paused (name) values (${name}) on conflict do nothing`;
  });
}

/** @returns false where it was not paused */
export async function resume(sql: ReadModels, name: string): Promise<boolean> {
  const gone = await orWithoutTables<readonly object[]>(
    sql<object[]>`delete from projections.paused where name = ${name} returning name`,
    [],
  );
  return gone.length > 0;
}

/** The read models that are paused, by name. */
export async function pausedOf(sql: ReadModels): Promise<Map<string, Pause>> {
  const rows = await orWithoutTables<{ name: string; since: string }[]>(
    sql<{ name: string; since: string }[]>`select name, since from projections.paused`,
    [],
  );
  return new Map(rows.map(({ name, since }) => [name, { since }]));
}

export const pausedTable = (): string[] => [
  // One at a time: `if not exists` alone fails for the slower of two.
  `select pg_advisory_xact_lock(${hash('projections')})`,
  'create schema if not exists projections',
  `create table if not exists ${PAUSED_TABLE} (name text primary key, since timestamptz not null default now())`,
];

/**
 * The lock of a read model's tables: those who write share it, and who swaps the tables, compares them or repairs a
 * person's rows from outside of the worker has it alone.
 */
export const gateOf = (schema: string): bigint => hash(`${schema} gate`);

/** FNV-1a, 64 bits, as Postgres' signed bigint: a name as the number of an advisory lock. */
export function hash(text: string): bigint {
  let value = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n);
  }
  return BigInt.asIntN(64, value);
}
