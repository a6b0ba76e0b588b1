export { type RunningEventStore, startEventStore } from './server.js';
export type { EventStoreServerOptions } from './settings.js';
export { FolderInUse } from './storage/folder-lock.js';
export { DamagedLog } from './storage/segment.js';
export type { SystemStreamsMode } from './streams/system-streams.js';
