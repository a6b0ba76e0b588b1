// Tables of a read model, declared once: the SQL and the types of their rows both come of the declaration.

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

interface SqlTypes {
  text: string;
  uuid: string;
  bigint: bigint;
  integer: number;
  'double precision': number;
  boolean: boolean;
  /** An instant: RFC 3339 in UTC, to the millisecond. */
  timestamptz: string;
  jsonb: Json;
}
type SqlType = keyof SqlTypes;
export type Column = SqlType | `${SqlType} not null`;
export type Value = SqlTypes[SqlType];
export type Row = Readonly<Record<string, Value>>;
export type Columns = Readonly<Record<string, Column>>;

type ValueOf<C extends Column> = C extends `${infer Type extends SqlType} not null`
  ? SqlTypes[Type]
  : C extends SqlType
    ? SqlTypes[C] | null
    : never;

/**
 * A table of a read model. Every row belongs to one person, and that person is in its key: an event touches rows of
 * its own person only, so that a person can be folded again or forgotten apart from the others.
 */
export interface Table<C extends Columns = Columns, Key extends string = string> {
  readonly name: string;
  readonly columns: C & { readonly user_id: 'text not null' };
  /** Columns of the primary key. */
  readonly key: readonly Key[];
  /** What stands behind `create index on TABLE`: `(user_id, position)`. */
  readonly indexes: readonly string[];
}

export type RowOf<T extends Table> = {
  readonly [Name in keyof T['columns']]: ValueOf<T['columns'][Name]>;
};
export type KeyOf<T extends Table> = Pick<RowOf<T>, T['key'][number]>;

/** Names of the tables that the machinery keeps beside those of the read model. */
export const OWN_TABLES = ['checkpoint', 'definition', 'parked', 'streams'] as const;

const IDENTIFIER = /^[a-z][a-z0-9_]{0,50}$/;

/** @throws RangeError for a name that is not lower_snake_case or is the machinery's, or a key without `user_id`. */
export function table<const C extends Columns, const Key extends keyof C & string>(definition: {
  readonly name: string;
  readonly columns: C & { readonly user_id: 'text not null' };
  readonly key: readonly Key[];
  readonly indexes?: readonly string[];
}): Table<C, Key> {
  for (const name of [definition.name, ...Object.keys(definition.columns)]) {
    if (!IDENTIFIER.test(name))
      throw new RangeError(`${name}: a table's and a column's name is lower_snake_case`);
  }
  if (OWN_TABLES.some((name) => name === definition.name)) {
    throw new RangeError(`${definition.name} is a table of the machinery; choose another name`);
  }
  if (!definition.key.some((column) => column === 'user_id')) {
    throw new RangeError(`${definition.name}: the key has to contain user_id`);
  }
  return { indexes: [], ...definition };
}

/** `create table` and `create index` for a table in a schema; both names are checked identifiers. */
export function ddlOf(schema: string, { name, columns, key, indexes }: Table): string[] {
  const lines = Object.entries(columns).map(([column, type]) => `${column} ${type}`);
  return [
    `create table ${schema}.${name} (${[...lines, `primary key (${key.join(', ')})`].join(', ')})`,
    ...indexes.map((index) => `create index on ${schema}.${name} ${index}`),
  ];
}

/** The type alone: `text not null` → `text`. */
export function sqlTypeOf(column: Column): string {
  return column.replace(/ not null$/, '');
}
