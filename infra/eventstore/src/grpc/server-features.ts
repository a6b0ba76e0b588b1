import type { ServerUnaryCall, sendUnaryData, UntypedServiceImplementation } from '@grpc/grpc-js';
import { ProtoWriter } from '../wire/protobuf.js';

/** The version that clients are told: the one whose behaviour this server has. */
export const SERVER_VERSION = '23.10.6';

const PREFIX = 'event_store.client.';
const ALL_AND_STREAM = ['stream', 'all'];

const METHODS: readonly (readonly [
  service: string,
  methods: readonly string[],
  features?: readonly string[],
])[] = [
  ['gossip.gossip', ['read']],
  ['monitoring.monitoring', ['stats']],
  [
    'operations.operations',
    [
      'mergeindexes',
      'resignnode',
      'restartpersistentsubscriptions',
      'setnodepriority',
      'shutdown',
      'startscavenge',
      'stopscavenge',
    ],
  ],
  [
    'persistent_subscriptions.persistentsubscriptions',
    ['create', 'delete', 'getinfo', 'list', 'read', 'replayparked', 'restartsubsystem', 'update'],
    ALL_AND_STREAM,
  ],
  ['projections.projections', ['create'], ['track_emitted_streams']],
  [
    'projections.projections',
    ['delete', 'disable', 'enable', 'reset', 'restartsubsystem', 'result', 'state', 'statistics', 'update'],
  ],
  ['redaction.redaction', ['geteventpositions', 'switchchunks']],
  ['server_features.serverfeatures', ['getsupportedmethods']],
  ['streams.streams', ['append']],
  ['streams.streams', ['batchappend'], ['deadline_duration']],
  ['streams.streams', ['delete', 'tombstone']],
  ['streams.streams', ['read'], ['position', 'events']],
  [
    'users.users',
    ['changepassword', 'create', 'delete', 'details', 'disable', 'enable', 'resetpassword', 'update'],
  ],
];

function supportedMethods(): Buffer {
  const answer = new ProtoWriter();
  for (const [service, methods, features = []] of METHODS) {
    for (const method of methods) {
      const entry = new ProtoWriter().string(1, method).string(2, PREFIX + service);
      for (const feature of features) entry.string(3, feature);
      answer.message(1, entry);
    }
  }
  return answer.string(2, SERVER_VERSION).finish();
}

/** The service `event_store.client.server_features.ServerFeatures`. */
export function serverFeaturesService(): UntypedServiceImplementation {
  const answer = supportedMethods();
  return {
    getSupportedMethods: (_call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) =>
      callback(null, answer),
  };
}
