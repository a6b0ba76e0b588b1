export * from './domain/profile.js';
export { ProfileController } from './profile.controller.js';
export { ProfileModule } from './profile.module.js';
