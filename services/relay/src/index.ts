export { History, type HistoryQuery, historyQuery } from './history.js';
export { RELAY_OPTIONS, Relay, type RelayOptions, type RelayReport } from './relay.js';
export { RelayModule } from './relay.module.js';
