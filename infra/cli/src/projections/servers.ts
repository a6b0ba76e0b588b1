import { AnotherPast, EventStore, type ReadModels, readModels } from '@oo/event-sourcing';
import { CommandError, EXIT } from '../output.js';
import { runningIn } from '../running.js';
import type { Settings } from '../up/settings.js';

/** Where the store, the read models and the broker of the projections are. */
export interface Servers {
  readonly OO_EVENTSTORE_URL: string;
  readonly OO_READMODELS_URL: string;
  readonly OO_NATS_URL: string;
}

/** Those that the environment names, all three of them; otherwise those of the oO that runs with the data folder. */
export function serversOf(settings: Settings): Servers {
  const { OO_EVENTSTORE_URL, OO_READMODELS_URL, OO_NATS_URL } = settings;
  if (OO_EVENTSTORE_URL !== undefined && OO_READMODELS_URL !== undefined && OO_NATS_URL !== undefined) {
    return { OO_EVENTSTORE_URL, OO_READMODELS_URL, OO_NATS_URL };
  }
  const { environment } = runningIn(settings.dataDir);
  const address = (name: keyof Servers): string => {
    const value = environment[name];
    if (value !== undefined) return value;
    throw new CommandError(EXIT.unavailable, `${name} is not known; start oO again with: npm start`);
  };
  return {
    OO_EVENTSTORE_URL: address('OO_EVENTSTORE_URL'),
    OO_READMODELS_URL: address('OO_READMODELS_URL'),
    OO_NATS_URL: address('OO_NATS_URL'),
  };
}

/** Runs `use` with connections to the read models and the store, and closes them. */
export async function withTables<Result>(
  servers: Servers,
  use: (sql: ReadModels, store: EventStore) => Promise<Result>,
): Promise<Result> {
  const sql = readModels(servers.OO_READMODELS_URL, { max: 6, name: 'oo' });
  const store = EventStore.connect(servers.OO_EVENTSTORE_URL);
  try {
    return await use(sql, store);
  } catch (error) {
    // Nothing is wrong with oO: what is kept here and the store do not belong together.
    throw error instanceof AnotherPast ? new CommandError(EXIT.differs, error.message) : error;
  } finally {
    await sql.end({ timeout: 1 });
    await store.close();
  }
}
