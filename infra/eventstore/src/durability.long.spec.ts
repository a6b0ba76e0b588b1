import { expect, it } from 'vitest';
import { killRounds } from './testing/kill-rounds.js';

const ROUNDS = Number(process.env.OO_KILL_ROUNDS ?? 200);

it(`loses nothing that was acknowledged in ${ROUNDS} rounds of kill -9 under concurrent writers`, async () => {
  const summary = await killRounds(ROUNDS, Number(process.env.OO_KILL_SEED ?? 1));
  process.stdout.write(`${JSON.stringify(summary)}\n`);
  expect(summary).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
  expect(summary.acknowledged).toBeGreaterThan(ROUNDS);
}, 7_200_000);
