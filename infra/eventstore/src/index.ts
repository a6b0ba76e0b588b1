export { type EventStoreServerOptions, type RunningEventStore, startEventStore } from './server.js';
export { FolderInUse } from './storage/folder-lock.js';
export { DamagedLog } from './storage/segment.js';
