import { writeFileSync } from 'node:fs';
import { isProjectionName, PROJECTION_NAMES } from '@oo/projections';
import { Command, InvalidArgumentError, Option } from 'commander';
import { growth } from './growth.js';
import { wholeHistory } from './history.js';
import { longStream } from './long-stream.js';
import type { Measurement } from './measurement.js';

const count = (text: string): number => {
  const events = Number(text);
  if (!Number.isInteger(events) || events < 1_000)
    throw new InvalidArgumentError('Give a number from 1000 on.');
  return events;
};

const options = new Command('bench:history')
  .description('Rebuilds read models and relays a whole store, against bare loops in the same run.')
  .option('--events <count>', 'how many events the store has', count, 50_000)
  .addOption(
    new Option(
      '--only <part>',
      'growth: what a command costs as the store grows to so many events; long-stream: how long the tips of one person take to load',
    ).choices(['relay', 'rebuild', 'growth', 'long-stream', ...PROJECTION_NAMES]),
  )
  .option('--json <file>', 'write the list of {name, value, unit, baseline, ratio} there')
  .parse()
  .opts<{ events: number; only?: string; json?: string }>();

const say = (line: string) => process.stdout.write(`${line}\n`);
const { events, only } = options;
const measured =
  only === 'growth'
    ? growth(events, say)
    : only === 'long-stream'
      ? longStream(events, say)
      : wholeHistory({
          events,
          say,
          ...(only === undefined ? {} : { parts: [only === 'relay' ? 'relay' : 'rebuild'] as const }),
          ...(only !== undefined && isProjectionName(only) ? { names: [only] } : {}),
        });
const results: Measurement[] = [];
for await (const one of measured) {
  results.push(one);
  say(`${one.name.padEnd(22)} ${one.value} ${one.unit}, ${one.against} ${one.baseline}, ratio ${one.ratio}`);
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
