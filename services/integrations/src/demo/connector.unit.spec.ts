import { connectorSuite } from '../connectors/connector.suite.js';
import { demoConnector } from './connector.js';

connectorSuite(demoConnector);
