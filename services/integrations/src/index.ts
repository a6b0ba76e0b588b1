export * from './connectors/connector.js';
export * from './connectors/connectors.js';
export * from './connectors/manifest.js';
export * from './connectors/registry.js';
export * from './connectors/signal.js';
export { fetchText } from './fetch-text.js';
export { IntegrationsModule } from './integrations.module.js';
export { listCandidates } from './list-candidates.js';
