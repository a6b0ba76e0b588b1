export * from './producer.js';
export * from './running-oo.js';
