export * from './domain/signals.js';
export { SignalsController } from './signals.controller.js';
export { SignalsModule } from './signals.module.js';
