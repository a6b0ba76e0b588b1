import { EventStore, readModels, verify } from '@oo/event-sourcing';
import { CONFIG, ConfigError, readConfig } from '@oo/service-host';
import { z } from 'zod';
import { isProjectionName, PROJECTION_NAMES, PROJECTIONS, type ProjectionName } from './registry.js';

const config = z.object({
  OO_EVENTSTORE_URL: CONFIG.OO_EVENTSTORE_URL,
  OO_READMODELS_URL: CONFIG.OO_READMODELS_URL,
});

/** Exit codes: the same, different, wrong use. */
const [SAME, DIFFERENT, MISUSE] = [0, 1, 64];

/**
 * `verify [NAME...]`: compares read models, all by default, with a fresh fold of the store and prints what it found.
 * @returns the process's exit code
 */
export async function verifyCommand(names: readonly string[]): Promise<number> {
  const chosen = names.length > 0 ? names : PROJECTION_NAMES;
  const unknown = chosen.find((name) => !isProjectionName(name));
  if (unknown !== undefined) {
    console.error(`There is no read model ${unknown}. There are: ${PROJECTION_NAMES.join(', ')}.`);
    return MISUSE;
  }
  try {
    const { OO_EVENTSTORE_URL, OO_READMODELS_URL } = readConfig(config);
    const store = EventStore.connect(OO_EVENTSTORE_URL);
    const sql = readModels(OO_READMODELS_URL, { max: 4, name: 'verify' });
    let code = SAME;
    for (const name of chosen.filter(isProjectionName)) {
      if (!(await isRight(name, store, sql))) code = DIFFERENT;
    }
    await sql.end();
    await store.close();
    return code;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    return MISUSE;
  }
}

async function isRight(name: ProjectionName, store: EventStore, sql: Parameters<typeof verify>[0]) {
  const { digest, expected, rows, position, differences } = await verify(sql, PROJECTIONS[name], store);
  const isSame = digest === expected && differences.length === 0;
  console.log(
    `${name}: ${rows} rows at position ${position}, ${isSame ? 'as the store says' : 'NOT as the store says'}`,
  );
  console.log(`  in use ${digest}\n  afresh ${expected}`);
  for (const { table, actual, expected: row } of differences) {
    console.log(`  ${table}: is ${JSON.stringify(actual)}, should be ${JSON.stringify(row)}`);
  }
  return isSame;
}
