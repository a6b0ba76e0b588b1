import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { RunningOo } from '@oo/cli/testing';
import { tenantId } from '@oo/contracts';
import { Command } from 'commander';
import { commands, commandsAlone, startEcho } from './commands.js';
import { wholeHistory } from './history.js';
import type { Measurement } from './measurement.js';
import { memory } from './memory.js';
import { rawHops } from './raw-hops.js';
import { decisionOverHttp, fold } from './recommender.js';
import { signalToPage } from './signal-to-page.js';
import { start } from './start.js';

const options = new Command('bench')
  .description(
    'Measures oO against bare loops in the same run. Ratios can be compared between machines, values cannot.',
  )
  .option('--json <file>', 'write the list of {name, value, unit, baseline, ratio} there')
  .parse()
  .opts<{ json?: string }>();

/** Enough to be warm; `npm run bench:history -- --events 1000000` takes the time that it takes. */
const HISTORY = 20_000;

const results: Measurement[] = [];
const say = (line: string) => process.stdout.write(`${line}\n`);
const take = async (found: AsyncIterable<Measurement> | Iterable<Measurement>) => {
  for await (const one of found) {
    results.push(one);
    say(
      `${one.name.padEnd(24)} ${String(one.value).padStart(9)} ${one.unit.padEnd(9)} baseline ${String(one.baseline).padStart(9)}  ratio ${String(one.ratio).padStart(7)}  (${one.against})`,
    );
  }
};

say(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}`);
await take(await start());
await take([await commandsAlone()]);
await take(wholeHistory({ events: HISTORY, say }));

const oo = await RunningOo.start({ OO_DEMO_WEEKS: '0', OO_DEMO_PACE: '0', OO_LOG_LEVEL: 'warn' });
const {
  OO_NATS_URL = '',
  OO_EVENTSTORE_URL = '',
  OO_READMODELS_URL = '',
  OO_TENANT = '',
} = oo.run.environment;
const echo = await startEcho(OO_NATS_URL);
try {
  const nats = await oo.nats();
  await take([await commands('commands-whole', nats, OO_EVENTSTORE_URL, tenantId(OO_TENANT))]);
  await oo.quiet();
  const hopsAt = await rawHops(nats, OO_EVENTSTORE_URL, OO_READMODELS_URL);
  await take(await signalToPage(oo, hopsAt));
  await take(await decisionOverHttp(oo));
  await take([await fold()]);
  await take(await memory(oo.run));
} finally {
  echo.kill();
  await oo.dispose();
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
