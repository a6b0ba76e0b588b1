import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { chaos } from './chaos.js';
import { FAULT_NAMES, type FaultName } from './faults.js';

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

const options = new Command('chaos')
  .description(
    'Kills and damages the real processes under load, and checks that nothing is lost, doubled or out of step.',
  )
  .option('--rounds <n>', 'how many faults, one after the other', some, 36)
  .option('--seed <n>', 'which faults at which moments; processes run as they will', whole, 1)
  .addOption(new Option('--only <fault>', 'this fault in every round').choices(FAULT_NAMES))
  .option('--json <file>', 'write the summary there')
  .parse()
  .opts<{ rounds: number; seed: number; only?: FaultName; json?: string }>();

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.stdout.write('Ending after this round.\n');
    interruption.abort();
  });
}
const summary = await chaos({
  rounds: options.rounds,
  seed: options.seed,
  ...(options.only === undefined ? {} : { only: options.only }),
  say: (line) => process.stdout.write(`${line}\n`),
  signal: interruption.signal,
});
const text = `${JSON.stringify(summary, null, 2)}\n`;
process.stdout.write(text);
if (options.json !== undefined) writeFileSync(options.json, text);
process.exitCode = summary.violation === undefined ? 0 : 1;
