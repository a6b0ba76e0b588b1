import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { endOrphans, readRunFile } from '@oo/embedded';
import { CommandError, EXIT } from '../output.js';
import { LOCK_FILE, lockDataFolder } from '../up/data-folder-lock.js';
import { DROP_READ_MODELS } from '../up/drop-read-models.js';

/** Files and folders that a data folder may hold. Anything else in it is somebody else's and stays. */
const OURS = [
  ...['eventstore', 'nats', 'postgres', 'postgres.new', 'identity', 'demo', 'compile-cache', 'logs'],
  ...['snapshots', 'secrets.json', 'run.json', 'run.json.new', DROP_READ_MODELS],
];

/** What a folder has as soon as oO has kept anything in it; a reset deletes it last. */
const MARKS = ['secrets.json', 'run.json', LOCK_FILE];

/** What the event store can give again, beside the read models: what the broker keeps, and the recommender. */
const REBUILDABLE = ['nats', 'snapshots'];

export interface ResetResult {
  readonly deleted: readonly string[];
}

/**
 * Deletes the data folder's content after asking, or with `derived` only what is rebuilt from the store.
 * @param confirmed true where the question has been answered on the command line
 */
export async function reset(dataDir: string, confirmed: boolean, derived: boolean): Promise<ResetResult> {
  const has = (name: string) => existsSync(join(dataDir, name));
  if (!OURS.some(has) && !has(LOCK_FILE)) return { deleted: [] };
  if (!MARKS.some(has)) {
    throw new CommandError(
      EXIT.refused,
      `Nothing was deleted: ${dataDir} has none of ${MARKS.join(', ')}, so it is no data folder of oO. Name oO’s in OO_DATA_DIR.`,
    );
  }
  const lock = lockDataFolder(dataDir);
  if (typeof lock === 'number') {
    throw new CommandError(EXIT.refused, `oO runs with the data in ${dataDir} (pid ${lock}); stop it first.`);
  }
  try {
    return await deleteData(dataDir, confirmed, derived);
  } finally {
    lock();
  }
}

async function deleteData(dataDir: string, confirmed: boolean, derived: boolean): Promise<ResetResult> {
  const run = readRunFile(dataDir);
  const found = (derived ? REBUILDABLE : OURS).filter((name) => existsSync(join(dataDir, name)));
  const readModels = derived && existsSync(join(dataDir, 'postgres'));
  if (found.length === 0 && !readModels) return { deleted: [] };
  if (!confirmed) {
    if (!process.stdin.isTTY)
      throw new CommandError(EXIT.usage, 'Nothing was deleted. To delete without a question: oo reset --yes');
    const prompt = createInterface({ input: process.stdin, output: process.stderr });
    const what = derived
      ? 'everything that can be rebuilt from the event store'
      : 'every signal, tip, account and secret';
    const answer = await prompt.question(`This deletes ${what} in ${dataDir}. Type "delete" to go on: `);
    prompt.close();
    if (answer.trim() !== 'delete') throw new CommandError(EXIT.refused, 'Nothing was deleted.');
  }
  if (run !== undefined) await endOrphans(run);
  for (const name of found) rmSync(join(dataDir, name), { recursive: true, force: true });
  if (!readModels) return { deleted: found };
  // The database server does not run now; the next start drops the database before anything reads it.
  writeFileSync(join(dataDir, DROP_READ_MODELS), '');
  return { deleted: [...found, 'readmodels'] };
}
