import type { KeyOf, Row, RowOf, Table } from './tables.js';

/**
 * What an event does to rows. There is no reading and no counting in it: the same events in the same order give
 * the same rows.
 */
export type Change =
  | { readonly op: 'upsert'; readonly table: Table; readonly row: Row }
  | { readonly op: 'update'; readonly table: Table; readonly key: Row; readonly when: Row; readonly set: Row }
  | { readonly op: 'remove'; readonly table: Table; readonly key: Row; readonly when: Row };

/** Makes the row, or sets the given columns where it stands already. Columns not given start as null. */
export function upsert<T extends Table>(table: T, row: KeyOf<T> & Partial<RowOf<T>>): Change {
  return { op: 'upsert', table, row: row as Row };
}

/** Sets columns of a row; nothing happens where there is no such row or its columns are not as `when` says. */
export function update<T extends Table>(
  table: T,
  key: KeyOf<T>,
  set: Partial<RowOf<T>>,
  when: Partial<RowOf<T>> = {},
): Change {
  return { op: 'update', table, key: key as Row, when: when as Row, set: set as Row };
}

/** Deletes a row; nothing happens where there is none or its columns are not as `when` says. */
export function remove<T extends Table>(table: T, key: KeyOf<T>, when: Partial<RowOf<T>> = {}): Change {
  return { op: 'remove', table, key: key as Row, when: when as Row };
}
