import { expect, it } from 'vitest';
import { killRounds } from './testing/kill-rounds.js';

it('loses nothing that was acknowledged in 6 rounds of kill -9 under concurrent writers', async () => {
  const summary = await killRounds(6, 1);
  expect(summary).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
  expect(summary.acknowledged).toBeGreaterThan(0);
}, 300_000);
