import type { Change } from './changes.js';
import type { Row, Table } from './tables.js';

/** Name of a row within its table. */
export function keyText(table: Table, row: Row): string {
  // No text of Postgres holds the character between.
  return table.key.map((column) => String(row[column])).join('\0');
}

/** What is to be written to one table. No key stands in both lists. */
export interface TableWrite {
  readonly table: Table;
  readonly upserts: readonly Row[];
  /** Keys. */
  readonly removals: readonly Row[];
}

/** Keys of the rows that have to be known before the changes can be carried out, by table. */
export function rowsNeeded(changes: readonly Change[]): Map<Table, Row[]> {
  const needed = new Map<Table, Row[]>();
  const seen = new Map<Table, Set<string>>();
  for (const change of changes) {
    const { table } = change;
    const key = change.op === 'upsert' ? change.row : change.key;
    const known = seen.get(table) ?? new Set();
    seen.set(table, known);
    const text = keyText(table, key);
    if (known.has(text)) continue;
    known.add(text);
    if (isWhole(change)) continue;
    const keys = needed.get(table) ?? [];
    keys.push(pick(key, table.key));
    needed.set(table, keys);
  }
  return needed;
}

/** Carries out changes in their order over the rows that were loaded, and gives what is left to write. */
export function carryOut(
  changes: readonly Change[],
  loaded: ReadonlyMap<Table, readonly Row[]>,
): TableWrite[] {
  const tables = new Map<Table, Map<string, { row: Row | undefined; key: Row; dirty: boolean }>>();
  const rowsOf = (table: Table) => {
    let rows = tables.get(table);
    if (rows === undefined) {
      rows = new Map();
      for (const row of loaded.get(table) ?? [])
        rows.set(keyText(table, row), { row, key: row, dirty: false });
      tables.set(table, rows);
    }
    return rows;
  };
  for (const change of changes) {
    const { table } = change;
    const rows = rowsOf(table);
    const key = change.op === 'upsert' ? change.row : change.key;
    const text = keyText(table, key);
    const current = rows.get(text)?.row;
    if (change.op === 'upsert') {
      const row = isWhole(change) ? change.row : { ...(current ?? blank(table)), ...change.row };
      rows.set(text, { row, key, dirty: true });
    } else if (change.op === 'remove' && isWhole(change)) {
      rows.set(text, { row: undefined, key, dirty: true });
    } else if (current !== undefined && matches(current, change.when)) {
      const row = change.op === 'update' ? { ...current, ...change.set } : undefined;
      rows.set(text, { row, key, dirty: true });
    }
  }
  return [...tables].map(([table, rows]) => {
    const upserts: Row[] = [];
    const removals: Row[] = [];
    for (const { row, key, dirty } of rows.values()) {
      if (!dirty) continue;
      if (row === undefined) removals.push(pick(key, table.key));
      else upserts.push(row);
    }
    return { table, upserts, removals };
  });
}

/** True where the change leaves a row that does not depend on what stood there. */
function isWhole(change: Change): boolean {
  if (change.op === 'upsert') {
    for (const name in change.table.columns) if (!(name in change.row)) return false;
    return true;
  }
  return change.op === 'remove' && Object.keys(change.when).length === 0;
}

function matches(row: Row, when: Row): boolean {
  return Object.entries(when).every(([column, value]) => row[column] === value);
}

function blank(table: Table): Row {
  return Object.fromEntries(Object.keys(table.columns).map((column) => [column, null]));
}

function pick(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((column) => [column, row[column] ?? null]));
}
