export { Headers } from './headers.js';
export { History, type HistoryQuery, historyQuery } from './history.js';
export { JetStreamTopic } from './jetstream-topic.js';
export { RELAY_OPTIONS, Relay, type RelayedStore, type RelayOptions, type RelayReport } from './relay.js';
export { RelayModule } from './relay.module.js';
export type { AckListener, Channel, Mirrored, Topic, TopicStanding } from './topic.js';
