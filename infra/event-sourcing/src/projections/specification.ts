import { deepStrictEqual } from 'node:assert/strict';
import {
  type CommandId,
  type DomainEvent,
  EVENTS,
  eventIdOf,
  type Instant,
  metadataJson,
  type PersonCategory,
  payloadJson,
  streamOf,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import { foldBatch } from './fold.js';
import type { ArrivedEvent, History } from './history.js';
import { InMemoryReadModel } from './in-memory-read-model.js';
import { ALL_PARTITIONS } from './partitions.js';
import type { ProjectionDefinition } from './projection.js';
import type { Row, RowOf, Table } from './tables.js';

/** An event of a person as a specification writes it. */
export type GivenEvent = DomainEvent & {
  readonly user: UserId;
  readonly occurredAt?: string;
  readonly recordedAt?: string;
};

const NOTHING: History = {
  head: async () => undefined,
  async *readAll() {},
  async *readStream() {},
};

const COMMAND = '00000000-0000-4000-8000-000000000000' as CommandId;
const SOME_DAY = '2026-01-05T08:00:00Z' as Instant;

/**
 * The events as the store would give them: revisions count in each person's stream, and the n-th event stands at
 * position 10 n.
 */
export function recorded(given: readonly GivenEvent[]): ArrivedEvent[] {
  const revisions = new Map<string, bigint>();
  return given.map(({ user, occurredAt, recordedAt, ...event }, index) => {
    const definition = EVENTS[event.type];
    const stream = streamOf(definition.category as PersonCategory, user);
    const revision = (revisions.get(stream) ?? -1n) + 1n;
    revisions.set(stream, revision);
    const at = (occurredAt ?? SOME_DAY) as Instant;
    return {
      id: eventIdOf(COMMAND, index, ''),
      type: event.type,
      stream,
      revision,
      position: BigInt(index + 1) * 10n,
      data: payloadJson(event),
      metadata: metadataJson({
        correlationId: COMMAND,
        causationId: COMMAND,
        userId: user,
        tenantId: tenantOf(user),
        schemaVersion: definition.version,
        producer: 'specification',
        occurredAt: at,
        recordedAt: (recordedAt ?? at) as Instant,
        commandId: COMMAND,
      }),
    };
  });
}

/**
 * `(await givenEvents(projection, ...events)).thenRows(table, ...rows)`, by way of payloads as they are stored.
 * @throws Error where one of the events cannot be applied
 */
export async function givenEvents(projection: ProjectionDefinition, ...given: readonly GivenEvent[]) {
  const readModel = new InMemoryReadModel(projection);
  const events = recorded(given);
  const context = { projection, partitions: ALL_PARTITIONS, history: NOTHING };
  const batch = { events, before: -1n, through: events.at(-1)?.position ?? -1n };
  const folded = await readModel.transaction((transaction) => foldBatch(context, transaction, batch));
  const unreadable = folded.parked.find(({ error }) => error !== null);
  if (unreadable !== undefined) throw new Error(`${unreadable.type} cannot be applied: ${unreadable.error}`);
  return {
    /** Rows of a table in the order of their keys. */
    rows: (table: Table): Row[] => readModel.rows(table),
    /** These rows and no others; columns that are not named may hold anything. */
    thenRows<T extends Table>(table: T, ...expected: readonly Partial<RowOf<T>>[]): void {
      const actual = readModel.rows(table).map((row, index) => {
        const wanted = expected[index];
        return wanted === undefined
          ? row
          : Object.fromEntries(Object.keys(wanted).map((name) => [name, row[name]]));
      });
      deepStrictEqual(actual, expected);
    },
  };
}
