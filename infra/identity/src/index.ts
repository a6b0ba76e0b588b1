export { type Account, Accounts, DEMO_ACCOUNT } from './accounts.js';
export { durableKeys, type Keys } from './keys.js';
export { CALLBACK_PATH, type ProviderSettings } from './provider.js';
export { identityServer } from './server.js';
