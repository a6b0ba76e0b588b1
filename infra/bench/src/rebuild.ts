import { EventStoreDBClient } from '@eventstore/db-client';
import { type EventStore, readModels, rebuild as rebuildReadModel } from '@oo/event-sourcing';
import { PROJECTIONS, type ProjectionName } from '@oo/projections';
import { type Measurement, measurement, median } from './measurement.js';
import { rawRead } from './streams-of-events.js';

const ROUNDS = 3;

/**
 * Events that are rebuilt a second, the swap included, over reading the same store and doing nothing with it: of each
 * read model, and of all of them one after the other.
 */
export async function* rebuild(
  store: EventStore,
  eventStoreUrl: string,
  readModelsUrl: string,
  names: readonly ProjectionName[],
): AsyncGenerator<Measurement> {
  const sql = readModels(readModelsUrl, { max: 6, name: 'bench' });
  const client = EventStoreDBClient.connectionString(eventStoreUrl);
  try {
    const all = { ours: 0, theirs: 0 };
    for (const name of names) {
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        theirs.push(await rawRead(client));
        const { read, elapsedMs } = await rebuildReadModel(sql, PROJECTIONS[name], store);
        ours.push((read / elapsedMs) * 1000);
      }
      all.ours += 1 / median(ours);
      all.theirs += 1 / median(theirs);
      const against = 'reading $all with the bare client';
      yield measurement(`rebuild-${name}`, median(ours), 'events/s', median(theirs), against);
    }
    if (names.length > 1) {
      const [ours, theirs] = [names.length / all.ours, names.length / all.theirs];
      yield measurement('rebuild', ours, 'events/s', theirs, 'reading $all as often with the bare client');
    }
  } finally {
    await client.dispose();
    await sql.end();
  }
}
