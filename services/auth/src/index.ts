export * from './people.js';
export * from './sessions.js';
export * from './tokens.js';
export { openVault, type Vault } from './vault.js';
