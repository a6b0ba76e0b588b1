export { freePort } from '@oo/embedded';
export * from './backbone.js';
export * from './child.js';
export * from './database.js';
export * from './event-store-server.js';
export * from './nats-server.js';
export * from './people.js';
export * from './tcp.js';
