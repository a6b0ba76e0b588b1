export * from './config.js';
export * from './pieces.js';
