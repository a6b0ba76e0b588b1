import { PROJECTION_NAMES, PROJECTIONS } from './registry.js';
import { projectionSuite } from './testing/projection.suite.js';

for (const name of PROJECTION_NAMES) projectionSuite(name, PROJECTIONS[name]);
