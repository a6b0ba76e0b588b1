import { expect, it } from 'vitest';
import { PROJECTION_NAMES, PROJECTIONS } from './registry.js';
import { projectionSuite } from './testing/projection.suite.js';

for (const name of PROJECTION_NAMES) projectionSuite(name, PROJECTIONS[name]);

it('is awaited where a page shows it the moment it happens: the current tip', () => {
  const awaited = Object.values(PROJECTIONS).filter(({ isAwaited }) => isAwaited);
  expect(awaited.map(({ name }) => name)).toEqual(['current-tip']);
});
