#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { killRounds } from './kill-rounds.js';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
});
for (const [name, value] of Object.entries(values)) {
  if (!/^\d+$/.test(value)) throw new Error(`--${name} is '${value}'; it takes a whole number`);
}
const rounds = Number(values.rounds);
const summary = await killRounds(rounds, Number(values.seed), (round, so) => {
  if (round % 10 === 0)
    process.stderr.write(`kill -9: ${round} of ${rounds}, ${so.acknowledged} acknowledged\n`);
});
process.stdout.write(`${JSON.stringify(summary)}\n`);
process.exit(summary.lost + summary.duplicated + summary.outOfOrder > 0 ? 1 : 0);
