import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@oo/embedded';
import { OWN_TABLES } from '@oo/event-sourcing';
import { CommandError, EXIT } from '../output.js';

export interface NewProjection {
  readonly name: string;
  readonly folder: string;
  readonly files: readonly string[];
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const LONGEST = 40;

/**
 * Makes the folder of a read model that works: the newest mood of each person, to be changed into what is wanted.
 * It is registered, so it is held to the suite that every read model inherits.
 * @param into the folder of the package `@oo/projections`; by default the one of this checkout
 */
export function newProjection(name: string, into: string = join(ROOT, 'projections')): NewProjection {
  if (!NAME.test(name) || name.length > LONGEST) {
    throw new CommandError(
      EXIT.usage,
      `"${name}" is no name of a read model: lower-case words joined by dashes, ${LONGEST} characters at the most.`,
    );
  }
  if (isTaken(name)) {
    throw new CommandError(
      EXIT.usage,
      `"${name}" cannot be used: code or tables by that name mean something else already. Choose another name.`,
    );
  }
  const source = join(into, 'src');
  const [registry, index, readme] = ['src/registry.ts', 'src/index.ts', 'README.md'].map((file) =>
    join(into, file),
  ) as [string, string, string];
  if (!existsSync(registry)) {
    throw new CommandError(
      EXIT.notFound,
      `${into} is not the folder of the projections: it has no src/registry.ts.`,
    );
  }
  const folder = join(source, name);
  if (existsSync(folder)) throw new CommandError(EXIT.refused, `${folder} is there already.`);

  const files = filesOf(name);
  const edits = [
    [registry, registered(readFileSync(registry, 'utf8'), name)],
    [index, exported(readFileSync(index, 'utf8'), name)],
    [readme, listed(readFileSync(readme, 'utf8'), name)],
  ] as const;
  mkdirSync(folder);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  for (const [file, text] of edits) writeFileSync(file, text);
  return {
    name,
    folder,
    files: [...Object.keys(files).map((file) => join(folder, file)), registry, index, readme],
  };
}

/** Names of functions and tables that are made of it would not be names. */
function isTaken(name: string): boolean {
  if (OWN_TABLES.some((own) => own === snake(name))) return true;
  try {
    // Strict, as all modules are.
    new Function(`'use strict'; const ${camel(name)} = 1;`);
    return false;
  } catch {
    return true;
  }
}

const snake = (name: string) => name.replaceAll('-', '_');
const camel = (name: string) => name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const pascal = (name: string) => camel(name).replace(/^[a-z]/, (letter) => letter.toUpperCase());

function registered(text: string, name: string): string {
  const constant = `${camel(name)}Projection`;
  const key = name.includes('-') ? `'${name}'` : name;
  const imports = insertedBefore(
    text,
    '\n/** The read models that there are. */',
    `import { ${constant} } from './${name}/apply.js';\n`,
    'src/registry.ts',
  );
  return insertedBefore(imports, '} as const satisfies', `  ${key}: ${constant},\n`, 'src/registry.ts');
}

function exported(text: string, name: string): string {
  return insertedBefore(
    text,
    "export { progressOf, waitFor } from './waiting.js';",
    `export { ${camel(name)}, type ${pascal(name)} } from './${name}/queries.js';\n`,
    'src/index.ts',
  );
}

function listed(text: string, name: string): string {
  const row = `| [${name}](src/${name}/README.md) | a person: say what | say by whom |\n`;
  return insertedBefore(text, '\nEvents in:', row, 'README.md');
}

/** @throws CommandError where the file is not as the generator knows it */
function insertedBefore(text: string, mark: string, insertion: string, file: string): string {
  const at = text.indexOf(mark);
  if (at < 0)
    throw new CommandError(EXIT.refused, `${file} has no line "${mark.trim()}"; put it back and try again.`);
  return text.slice(0, at) + insertion + text.slice(at);
}

function filesOf(name: string): Record<string, string> {
  const [value, type, table] = [camel(name), pascal(name), snake(name)];
  return {
    'tables.ts': `import { type RowOf, table } from '@oo/event-sourcing/pure';

/** A row for each person who has told a mood: the newest. */
export const ${value}Table = table({
  name: '${table}',
  columns: {
    user_id: 'text not null',
    valence: 'integer not null',
    energy: 'integer not null',
    position: 'bigint not null',
  },
  key: ['user_id'],
});

export type ${type}Row = RowOf<typeof ${value}Table>;
`,
    'apply.ts': `import type { EventType, RecordedEvent } from '@oo/contracts';
import { type Change, defineProjection, present, upsert } from '@oo/event-sourcing/pure';
import { ${value}Table } from './tables.js';

const READS = ['MoodReported'] as const satisfies readonly EventType[];

/** Pure: it is given an event and says what becomes of rows of that event's person. It cannot read, count or add up. */
function apply({ data, metadata, position }: RecordedEvent<(typeof READS)[number]>): Change[] {
  const user_id = present(metadata.userId, 'userId');
  return [upsert(${value}Table, { user_id, valence: data.valence, energy: data.energy, position })];
}

export const ${value}Projection = defineProjection({
  name: '${name}',
  // Raise it whenever the tables, READS or what apply makes of an event change.
  version: 1,
  // Where somebody waits at a page for these rows, say isAwaited: true; else 20 ms of events are written together.
  tables: [${value}Table],
  reads: READS,
  apply,
});
`,
    'queries.ts': `import type { UserId } from '@oo/contracts';
import { type ReadModels, rowsOf } from '@oo/event-sourcing';
import { ${value}Projection } from './apply.js';
import type { ${type}Row } from './tables.js';

/** The newest mood that a person has told. */
export interface ${type} {
  /** -2 to 2 each. */
  readonly valence: number;
  readonly energy: number;
  /** Position of the event. */
  readonly position: bigint;
}

/** @throws ProblemError \`unavailable\` where no worker has made the tables yet */
export async function ${value}(sql: ReadModels, userId: UserId): Promise<${type} | undefined> {
  const [row] = await rowsOf(sql<${type}Row[]>\`
    select * from \${sql(${value}Projection.schema)}.${table} where user_id = \${userId}\`);
  if (row === undefined) return undefined;
  const { valence, energy, position } = row;
  return { valence, energy, position };
}
`,
    [`${name}.unit.spec.ts`]: `import { givenEvents } from '@oo/event-sourcing';
import { describe, it } from 'vitest';
import { lifeOf, someone } from '../testing/events.js';
import { ${value}Projection } from './apply.js';
import { ${value}Table } from './tables.js';

const [ada, bob] = [someone(), someone()].sort();

describe('${name}', () => {
  it('has the newest mood of each person', async () => {
    if (ada === undefined || bob === undefined) throw new Error('two people');
    const events = [lifeOf(ada).mood(1), lifeOf(bob).mood(2), lifeOf(ada).mood(-1)];
    (await givenEvents(${value}Projection, ...events)).thenRows(
      ${value}Table,
      { user_id: ada, valence: -1, position: 30n },
      { user_id: bob, valence: 2, position: 20n },
    );
  });

  it('has no row of who has told none', async () => {
    (await givenEvents(${value}Projection)).thenRows(${value}Table);
  });
});
`,
    'README.md': `# ${name}

A row for each person who has told a mood: the newest. Say here what it is for.

Reads \`MoodReported\`. Query: \`${value}\`.
`,
  };
}

export function newProjectionText({ name, folder }: NewProjection): string {
  return [
    `${name}: made in ${folder}, registered, exported, and in the list of the README.`,
    'It keeps the newest mood of each person. Change tables.ts, apply.ts, queries.ts, the spec and both READMEs.',
    'Test it with: npm run test:unit',
  ].join('\n');
}
