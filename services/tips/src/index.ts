export { type TipsConfig, tipsConfig } from './config.js';
export * from './domain/commands.js';
export * from './domain/state.js';
export * from './domain/tips.js';
export { TIPS, Tips } from './tips.js';
export { TipsModule } from './tips.module.js';
