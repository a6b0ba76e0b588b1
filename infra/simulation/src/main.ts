import { Command, InvalidArgumentError } from 'commander';
import { simulate } from './simulate.js';

const whole = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('Give a whole number from 0 on.');
  return value;
};

/** None at all would be checked, and found in order. */
const some = (text: string): number => {
  const value = whole(text);
  if (value === 0) throw new InvalidArgumentError('Give a whole number from 1 on.');
  return value;
};

const options = new Command('simulate')
  .description(
    'Plays oO with seeded faults, in one process and on a clock of its own, and checks it at every step.',
  )
  .option('--seed <n>', 'the first seed; alone, that one is played with all that happens', whole)
  .option('--seeds <count>', 'how many seeds', some)
  .option('--trace', 'tell all that happens')
  .parse()
  .opts<{ seed?: number; seeds?: number; trace?: boolean }>();

process.exitCode = await simulate({
  first: options.seed ?? 1,
  count: options.seeds ?? (options.seed === undefined ? 300 : 1),
  trace: options.trace === true,
});
