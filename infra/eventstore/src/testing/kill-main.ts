#!/usr/bin/env node
import { Command } from 'commander';
import { killRounds } from './kill-rounds.js';
import { wholeNumber } from './whole-number.js';

const { rounds, seed } = new Command('eventstore:kill')
  .description(
    'Kills a server under concurrent writers, and compares what it acknowledged with what is there.',
  )
  .option('--rounds <count>', 'how often', wholeNumber, 200)
  .option('--seed <n>', 'where the random numbers begin', wholeNumber, 1)
  .parse()
  .opts<{ rounds: number; seed: number }>();

const summary = await killRounds(rounds, seed, (round, so) => {
  if (round % 10 === 0)
    process.stderr.write(`kill -9: ${round} of ${rounds}, ${so.acknowledged} acknowledged\n`);
});
process.stdout.write(`${JSON.stringify(summary)}\n`);
process.exit(summary.lost + summary.duplicated + summary.outOfOrder > 0 ? 1 : 0);
