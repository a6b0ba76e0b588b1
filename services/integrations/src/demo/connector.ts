import type { Connector } from '../connectors/connector.js';
import { demoManifest } from './manifest.js';
import { demoMapper } from './mapper.js';
import { demoSimulator } from './simulator.js';

/** The demo life as an integration. */
export const demoConnector: Connector = {
  manifest: demoManifest,
  mapper: demoMapper,
  simulator: demoSimulator,
};
