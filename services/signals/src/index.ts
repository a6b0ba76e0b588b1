export * from './domain/signals.js';
export { SignalsModule } from './signals.module.js';
