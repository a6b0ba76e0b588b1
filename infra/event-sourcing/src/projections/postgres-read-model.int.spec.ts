import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startDatabase, type TestDatabase } from '../testing/database.js';
import { PostgresReadModel, type ReadModels, readModels } from './postgres-read-model.js';
import { defineProjection } from './projection.js';
import { RowRefused } from './read-model.js';
import { type Row, table } from './tables.js';

const things = table({
  name: 'things',
  columns: {
    user_id: 'text not null',
    number: 'bigint not null',
    label: 'text',
    id: 'uuid',
    count: 'integer',
    share: 'double precision',
    done: 'boolean',
    at: 'timestamptz',
    more: 'jsonb',
  },
  key: ['user_id', 'number'],
});
const probe = defineProjection({ name: 'probe', version: 1, tables: [things], reads: [], apply: () => [] });

let database: TestDatabase;
let sql: ReadModels;
let readModel: PostgresReadModel;
beforeAll(async () => {
  database = await startDatabase();
  sql = readModels(database.url, { max: 2 });
  readModel = new PostgresReadModel(sql, probe, { url: database.url });
  await readModel.prepare();
});
afterAll(async () => {
  await sql?.end();
  await database?.close();
});

/** Whatever Postgres may hold as a text: all but the character zero. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }).map((any) => any.replaceAll('\0', '')),
  fc.constantFrom('', 'NULL', '"', '\\', '\\"', '{}', '{a,b}', ' a ', 'a\nb\tc\r', "it's", '$1', '\\N', '1'),
);
const json = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('\\u0000'));
const row = fc.record({
  user_id: text,
  number: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  label: fc.option(text),
  id: fc.option(fc.uuid()),
  count: fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
  share: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)),
  done: fc.option(fc.boolean()),
  at: fc.option(
    fc.constantFrom('2026-01-05T08:00:00Z', '1970-01-01T00:00:00.001Z', '9999-12-31T23:59:59.999Z'),
  ),
  more: fc.option(fc.oneof(json, fc.record({ said: text })).filter((value) => value !== null)),
});

const written = (rows: readonly Row[]) =>
  readModel.transaction(async (transaction) => {
    await transaction.write({ table: things, upserts: rows, removals: [] });
    return transaction.load(things, rows);
  });
const keyOf = ({ user_id, number }: Row) => `${number} ${user_id}`;
const sorted = (rows: readonly Row[]) => [...rows].sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));

it('gives back what was written, whatever it is, and removes it', async () => {
  const rows = fc.uniqueArray(row, { selector: keyOf, minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(rows, async (all) => {
      // JSON has one zero.
      const plain = all.map((one) => ({
        ...one,
        more: JSON.parse(JSON.stringify(one.more)) as Row['more'],
      })) as Row[];
      expect(sorted(await written(plain))).toEqual(sorted(plain));
      const left = await readModel.transaction(async (transaction) => {
        await transaction.write({ table: things, upserts: [], removals: plain });
        return transaction.load(things, plain);
      });
      expect(left).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

it.each([
  ['half a surrogate pair', { label: 'a\ud83d' }],
  ['the character zero', { label: 'a\0b' }],
  ['the character zero in JSON', { more: { said: 'a\0b' } }],
  ['half a surrogate pair in JSON', { more: { said: '\ud83d' } }],
  ['a number that is too large', { count: 2 ** 31 }],
  ['no id', { id: 'none' }],
  ['no time', { at: 'noon' }],
  ['nothing where something has to be', { user_id: null as unknown as string }],
])('refuses a row with %s, and writes none of the others', async (_, wrong) => {
  const good = {
    user_id: 'a',
    number: 1n,
    label: '',
    id: null,
    count: 0,
    share: 0,
    done: true,
    at: null,
    more: null,
  };
  const all = [good, { ...good, number: 2n, ...wrong }] as unknown as Row[];
  await expect(written(all)).rejects.toThrow(RowRefused);
  expect(
    await readModel.transaction((transaction) => transaction.load(things, [good] as unknown as Row[])),
  ).toEqual([]);
});

it('does not wait for ever in a transaction that nothing comes of any more, nor hold others up with it', async () => {
  const fields = { label: '', id: null, count: 0, share: 0, done: true, at: null, more: null };
  const upserts = [{ user_id: 'a', number: 1n, ...fields } as unknown as Row];
  const write = { table: things, upserts, removals: [] };
  const inHand = Promise.withResolvers<void>();
  const silent = readModel.transaction(async (transaction) => {
    await transaction.write(write);
    inHand.resolve();
    await new Promise(() => undefined);
  });
  const end = expect(silent).rejects.toThrow(/idle-in-transaction timeout|CONNECTION_CLOSED|ECONNRESET/);
  await inHand.promise;
  await readModel.transaction((transaction) => transaction.write(write));
  await end;
}, 30_000);
