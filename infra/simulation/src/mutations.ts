import {
  decodeSnapshot,
  encodeSnapshot,
  type ReadModel,
  type ReadModelTransaction,
  type SnapshotStore,
} from '@oo/event-sourcing';
import { Headers, type Topic } from '@oo/relay';
import { TIPS_WINDOW, tipsDecider, tipsSnapshots } from '@oo/tips';
import type { EventLog, EventLogClient } from './event-log.js';
import type { Told } from './recommender.js';

/** Ways to break the shipped code on purpose, at the seam where it holds. */
export interface Mutation {
  readonly log?: (client: EventLogClient, log: EventLog) => EventLogClient;
  readonly readModel?: (readModel: ReadModel) => ReadModel;
  readonly topic?: (topic: Topic) => Topic;
  readonly snapshots?: (snapshots: SnapshotStore) => SnapshotStore;
  /** What the recommender is told. */
  readonly told?: (told: Told) => Told;
}

/** Methods of an object with some of them in another way. */
function instead<T extends object>(original: T, changed: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      const replacement: unknown = Reflect.get(changed, name);
      if (replacement !== undefined) return replacement;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function withTransactions(
  readModel: ReadModel,
  change: (transaction: ReadModelTransaction) => ReadModelTransaction,
): ReadModel {
  return instead(readModel, {
    transaction: (work) => readModel.transaction((transaction) => work(change(transaction))),
  });
}

const SOMETHING_ELSE: ReadonlyMap<string, unknown> = new Map([
  ['MoodReported', { valence: 2, energy: -2 }],
  ['TaskObserved', { ref: 'demo:task:9', state: 'TASK_STATE_OPEN' }],
  ['TaskCompleted', { ref: 'demo:task:9' }],
]);

export const MUTATIONS = {
  'the expected revision is not looked at': {
    log: (client, log) =>
      instead(client, {
        append: async (stream, _expected, events) => {
          // The way to the store and back is the same.
          await client.head();
          return log.append(stream, undefined, events);
        },
      }),
  },
  'a command is not looked up': {
    log: (client) =>
      instead(client, {
        readLast: async (...args) => (await client.readLast(...args)).map(withoutCommand),
        readForward: async (...args) => (await client.readForward(...args)).map(withoutCommand),
      }),
  },
  'a command is acknowledged before it is appended': {
    log: (client) =>
      instead(client, {
        append: async (stream, expected, events) => {
          await client.readLast(stream, 1);
          client.append(stream, expected, events).catch(() => undefined);
          return { revision: expected + BigInt(events.length), position: 0n };
        },
      }),
  },
  'the checkpoint is written first': {
    readModel: (readModel) =>
      instead(readModel, {
        transaction: async (work) => {
          let last: Parameters<ReadModelTransaction['checkpoint']> | undefined;
          // Found out in a round that is taken back.
          await readModel
            .transaction(async (transaction) => {
              await work(
                instead(transaction, {
                  checkpoint: async (...args) => {
                    last = args;
                  },
                }),
              );
              throw new Error('taken back');
            })
            .catch(() => undefined);
          const found = last;
          if (found !== undefined) {
            await readModel.transaction((transaction) => transaction.checkpoint(...found));
          }
          return readModel.transaction(work);
        },
      }),
  },
  'an event is applied whatever its revision': {
    readModel: (readModel) =>
      withTransactions(readModel, (transaction) =>
        instead(transaction, { revisions: async () => NEVER_SEEN }),
      ),
  },
  'the relay does not say what it expects': {
    topic: (topic) =>
      instead(topic, {
        open: (listener) => {
          const channel = topic.open(listener);
          return instead(channel, {
            publish: (subject, body, headers, sequence) => {
              const fewer = new Headers();
              for (const [name, value] of headers.entries())
                if (!name.startsWith('Nats-Expected-')) fewer.add(name, value);
              channel.publish(subject, body, fewer, sequence);
            },
          });
        },
      }),
  },
  'the relay sends nothing': {
    topic: (topic) =>
      instead(topic, { open: (listener) => instead(topic.open(listener), { publish: () => undefined }) }),
  },
  'a snapshot has forgotten the state': {
    snapshots: (snapshots) =>
      instead(snapshots, {
        read: async (stream) => {
          const bytes = await snapshots.read(stream);
          const snapshot = bytes && decodeSnapshot(tipsSnapshots, stream, TIPS_WINDOW, bytes);
          if (snapshot === undefined) return undefined;
          const forgotten = { ...snapshot, state: tipsDecider.initialState() };
          return encodeSnapshot(tipsSnapshots, stream, TIPS_WINDOW, forgotten);
        },
      }),
  },
  'the recommender is told something else': {
    told: (told) => {
      if (told.kind !== 'deliver') return told;
      const data = SOMETHING_ELSE.get(told.envelope.type);
      return data === undefined ? told : { ...told, envelope: { ...told.envelope, data } };
    },
  },
} as const satisfies Record<string, Mutation>;

export type MutationName = keyof typeof MUTATIONS;

/** Every event is the next of its stream: none is behind, and nothing is missing before it. */
class NothingSeen extends Map<string, bigint> {
  override get(): bigint | undefined {
    return undefined;
  }
}
const NEVER_SEEN = new NothingSeen();

function withoutCommand<Event extends { readonly metadata: unknown }>(event: Event): Event {
  const { commandId: _, ...metadata } = event.metadata as Record<string, unknown>;
  return { ...event, metadata: { ...metadata, commandId: '00000000-0000-4000-8000-000000000000' } };
}
