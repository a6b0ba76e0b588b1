import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Change, remove, update, upsert } from './changes.js';
import { carryOut, keyText, rowsNeeded } from './row-set.js';
import { type Row, table } from './tables.js';

const things = table({
  name: 'things',
  columns: { user_id: 'text not null', id: 'integer not null', a: 'integer', b: 'integer' },
  key: ['user_id', 'id'],
});

/** What the changes mean, one at a time over all rows. */
function oneByOne(rows: readonly Row[], changes: readonly Change[]): Row[] {
  const result = new Map(rows.map((row) => [keyText(things, row), row]));
  for (const change of changes) {
    const key = keyText(things, change.op === 'upsert' ? change.row : change.key);
    const current = result.get(key);
    if (change.op === 'upsert') result.set(key, { ...(current ?? { a: null, b: null }), ...change.row });
    else if (current === undefined) continue;
    else if (Object.entries(change.when).some(([column, value]) => current[column] !== value)) continue;
    else if (change.op === 'update') result.set(key, { ...current, ...change.set });
    else result.delete(key);
  }
  return sorted([...result.values()]);
}

const sorted = (rows: readonly Row[]) =>
  [...rows].sort((one, other) => keyText(things, one).localeCompare(keyText(things, other)));

const value = fc.option(fc.integer({ min: 0, max: 2 }));
const key = fc.record({ user_id: fc.constantFrom('p', 'q'), id: fc.integer({ min: 0, max: 2 }) });
const some = fc.record({ a: value, b: value }, { requiredKeys: [] });
const whole = fc.record({ a: value, b: value });
const change = fc.oneof(
  fc.tuple(key, some).map(([at, set]) => upsert(things, { ...at, ...set })),
  fc.tuple(key, whole).map(([at, set]) => upsert(things, { ...at, ...set })),
  fc.tuple(key, some, some).map(([at, set, when]) => update(things, at, set, when)),
  fc.tuple(key, some).map(([at, when]) => remove(things, at, when)),
);
const stored = fc.uniqueArray(
  fc.tuple(key, whole).map(([at, set]): Row => ({ ...at, ...set })),
  { selector: (row) => keyText(things, row) },
);

describe('carrying out changes together', () => {
  it('writes what they come to one by one, and loads no more than it needs', () => {
    fc.assert(
      fc.property(stored, fc.array(change, { maxLength: 12 }), (rows, changes) => {
        const asked = new Set((rowsNeeded(changes).get(things) ?? []).map((row) => keyText(things, row)));
        const loaded = rows.filter((row) => asked.has(keyText(things, row)));
        const result = new Map(rows.map((row) => [keyText(things, row), row]));
        for (const { upserts, removals } of carryOut(changes, new Map([[things, loaded]]))) {
          for (const row of upserts) result.set(keyText(things, row), row);
          for (const row of removals) result.delete(keyText(things, row));
        }
        expect(sorted([...result.values()])).toEqual(oneByOne(rows, changes));
      }),
    );
  });

  it('asks for no row where each one is written whole', () => {
    const changes = [
      upsert(things, { user_id: 'p', id: 1, a: 1, b: 1 }),
      update(things, { user_id: 'p', id: 1 }, { a: 2 }),
    ];
    expect(rowsNeeded(changes).size).toBe(0);
    expect(carryOut(changes, new Map())).toEqual([
      { table: things, upserts: [{ user_id: 'p', id: 1, a: 2, b: 1 }], removals: [] },
    ]);
  });
});

describe('table', () => {
  it('refuses names that are not identifiers, names of the machinery, and a key without the person', () => {
    const columns = { user_id: 'text not null' } as const;
    expect(() => table({ name: 'x; drop', columns, key: ['user_id'] })).toThrow('lower_snake_case');
    expect(() => table({ name: 'streams', columns, key: ['user_id'] })).toThrow('machinery');
    expect(() => table({ name: 'x', columns: { ...columns, id: 'uuid not null' }, key: ['id'] })).toThrow(
      'user_id',
    );
  });
});
