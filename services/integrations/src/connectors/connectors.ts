import { demoConnector } from '../demo/connector.js';
import type { Connector } from './connector.js';

/** All connectors of this build. A new one is a folder beside `demo/` and a line here. */
export const CONNECTORS: readonly Connector[] = [demoConnector];
