import { startDatabase, type TestDatabase } from './database.js';
import { startTestEventStore, type TestEventStore } from './event-store-server.js';
import { startNatsServer, type TestNatsServer } from './nats-server.js';

export interface BackboneOptions {
  /** An empty database as well. */
  readonly postgres?: boolean;
  /**
   * A broker of this file alone, also where `OO_NATS_URL` names one: for tests that delete streams, steer the clock
   * or break the broker.
   */
  readonly ownBroker?: boolean;
  /** The same for the event store. */
  readonly ownEventStore?: boolean;
}

/** The servers that a test runs against, real ones. */
export interface Backbone {
  readonly eventStoreUrl: string;
  readonly natsUrl: string;
  /** Empty unless a database was asked for. */
  readonly readModelsUrl: string;
  /** Undefined where the server is not this file's own. */
  readonly eventStore: TestEventStore | undefined;
  readonly nats: TestNatsServer | undefined;
  /** What a process of oO is configured with to use these. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/**
 * Starts an event store and a broker (and a database, when asked) on free ports of loopback, in temporary folders;
 * call it once in a test file. What `OO_EVENTSTORE_URL`, `OO_NATS_URL` and `OO_READMODELS_URL` name is used instead
 * of starting it, so tests make their own people and share nothing else.
 */
export async function startBackbone(options: BackboneOptions = {}): Promise<Backbone> {
  const { postgres = false, ownBroker = false, ownEventStore = false } = options;
  const given = (name: string, own: boolean) => (own ? '' : (process.env[name] ?? ''));
  const [eventStoreGiven, natsGiven] = [
    given('OO_EVENTSTORE_URL', ownEventStore),
    given('OO_NATS_URL', ownBroker),
  ];
  const [eventStore, nats, database]: [
    TestEventStore | undefined,
    TestNatsServer | undefined,
    TestDatabase | undefined,
  ] = await Promise.all([
    eventStoreGiven === '' ? startTestEventStore() : undefined,
    natsGiven === '' ? startNatsServer() : undefined,
    postgres ? startDatabase() : undefined,
  ]);
  const eventStoreUrl = eventStore?.url ?? eventStoreGiven;
  const natsUrl = nats?.url ?? natsGiven;
  const readModelsUrl = database?.url ?? '';
  return {
    eventStoreUrl,
    natsUrl,
    readModelsUrl,
    eventStore,
    nats,
    environment: {
      OO_EVENTSTORE_URL: eventStoreUrl,
      OO_NATS_URL: natsUrl,
      OO_READMODELS_URL: readModelsUrl,
      OO_LOG_LEVEL: 'silent',
    },
    close: async () => {
      await Promise.all([eventStore?.close(), nats?.close(), database?.close()]);
    },
  };
}
