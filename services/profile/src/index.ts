export * from './domain/profile.js';
export { ProfileModule } from './profile.module.js';
