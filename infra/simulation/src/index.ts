export * from './invariants.js';
export { Random } from './random.js';
