import { accessSync, constants, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CLOCK_FILE } from '@oo/contracts';
import {
  ConfigurationRefused,
  endOrphans,
  ensureDatabases,
  initPostgres,
  loadSecrets,
  type ProcessSpec,
  type RunFile,
  readRunFile,
  removeRunFile,
  Supervisor,
  startTimeOf,
  writeRunFile,
} from '@oo/embedded';
import { CommandError, EXIT } from '../output.js';
import { DEMO_IDENTITY, enrol, withVault } from '../people.js';
import { lockDataFolder } from './data-folder-lock.js';
import { dropReadModelsIfAsked } from './drop-read-models.js';
import { choosePlaces, demoLife, infrastructure, services } from './parts.js';
import { inDataDir, type Settings } from './settings.js';
import { answerForStandingClock } from './standing-clock.js';

/** The demo's history takes longer than a start: it is a life of weeks. */
const HISTORY_TIMEOUT_MS = 3_600_000;
/** Signals of the demo's life carry this producer's name. */
const DEMO_PRODUCER = 'demo';

export type Say = (line: string, kind?: 'passing') => void;

/** What runs, once it is ready. */
export interface Ready {
  readonly url: string;
  /** Of `oo up` itself: ended with SIGTERM, it ends the others. */
  readonly pid: number;
  readonly dataDir: string;
  readonly processes: RunFile['processes'];
}

/**
 * Starts everything, keeps it running, and stops it when `stop` fires.
 * @param say takes the lines for the person who started it; a `passing` line may be written over by the next
 * @param announce is told once when it is ready, also where it ran already
 */
export async function up(
  settings: Settings,
  stop: AbortSignal,
  say: Say,
  announce: (ready: Ready) => void,
): Promise<void> {
  makeDataFolder(settings.dataDir);
  const lock = lockDataFolder(settings.dataDir);
  if (typeof lock === 'number') {
    const running = readRunFile(settings.dataDir);
    const at = running === undefined ? '' : ` at ${running.url}`;
    say(`oO runs already${at} (pid ${lock}, data in ${settings.dataDir}).`);
    if (running !== undefined) announce(readyOf(running, settings.dataDir));
    return;
  }
  try {
    const left = readRunFile(settings.dataDir);
    if (left !== undefined) {
      const ended = await endOrphans(left);
      if (ended.length > 0) say(`  ✓ ended what an earlier run left: ${ended.join(', ')}`);
    }
    await run(settings, stop, say, announce);
  } finally {
    lock();
  }
}

/** One folder after the other: `recursive` goes round in circles where the system refuses the last of them as missing. */
function makeDataFolder(dataDir: string): void {
  const missing: string[] = [];
  for (let folder = resolve(dataDir); !existsSync(folder); folder = dirname(folder)) missing.unshift(folder);
  try {
    for (const folder of missing) mkdirSync(folder, { mode: 0o700 });
    readdirSync(dataDir);
    accessSync(dataDir, constants.W_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      EXIT.usage,
      `OO_DATA_DIR: ${dataDir} is no folder that can be written to (${reason}).`,
    );
  }
}

const readyOf = ({ url, supervisor, processes }: RunFile, dataDir: string): Ready => ({
  url,
  pid: supervisor.pid,
  dataDir,
  processes,
});

async function run(
  settings: Settings,
  stop: AbortSignal,
  say: Say,
  announce: (ready: Ready) => void,
): Promise<void> {
  const secrets = loadSecrets(settings.dataDir);
  const places = await choosePlaces(settings, secrets);
  if (places.port !== settings.OO_PORT) say(`  ! port ${settings.OO_PORT} is taken; using ${places.port}`);

  const supervisor = new Supervisor(inDataDir(settings, 'logs'), {
    onCrash: (name, how, delay) => say(`  ! ${name} ended (${how}); started again in ${delay} ms`),
    onMend: (name, what) => say(`  ! ${name}: ${what}`),
    onWait: (name, why) => say(`  … ${name} waits: ${why}`),
    onBack: (name) => say(`  ✓ ${name} is back`),
    onRefusal: (message) => say(`  ! ${message}\n  It is not started again; mend it and start oO anew.`),
    onChange: () => record(false),
  });
  let ready = false;
  const record = (done: boolean) => {
    ready ||= done;
    const run: RunFile = {
      supervisor: { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' },
      url: places.publicUrl,
      environment: {
        OO_EVENTSTORE_URL: places.eventStoreUrl,
        OO_NATS_URL: places.natsUrl,
        OO_READMODELS_URL: places.readModelsUrl,
        OO_VAULT_URL: places.vaultUrl,
        OO_TENANT: settings.OO_TENANT,
      },
      processes: supervisor.processes,
      ready,
    };
    writeRunFile(settings.dataDir, run);
    return run;
  };

  let leaveClock = async () => {};
  try {
    const start = async (specs: readonly ProcessSpec[]) => {
      await Promise.all(
        specs.map(async (spec) => {
          const began = Date.now();
          await supervisor.start(spec);
          if (!stop.aborted) say(`  ✓ ${spec.name.padEnd(12)} ${Date.now() - began} ms`);
        }),
      );
      stop.throwIfAborted();
    };
    const stopped = new Promise<void>((resolve) =>
      stop.addEventListener('abort', () => resolve(), { once: true }),
    );
    const everything = async () => {
      const { postgres } = places.embedded;
      if (postgres !== undefined) await initPostgres(postgres);
      await start(await infrastructure(settings, secrets, places));
      if (postgres !== undefined) {
        await dropReadModelsIfAsked(settings.dataDir, postgres);
        await ensureDatabases(postgres, ['vault', 'readmodels'], ['readmodels']);
      }
      if (settings.OO_DEMO === 'on')
        leaveClock = await answerForStandingClock(inDataDir(settings, 'demo', CLOCK_FILE), places.natsUrl);
      await start(services(settings, secrets, places));
      if (settings.OO_DEMO === 'on') {
        const person = await withVault(places.vaultUrl, settings.OO_TENANT, (vault) =>
          enrol(vault, DEMO_IDENTITY, DEMO_PRODUCER),
        );
        const spec = demoLife(settings, places, person, (line) => {
          if (!line.startsWith('history ')) return;
          leaveClock();
          say(`  … playing a life: ${line.slice('history '.length)}`, 'passing');
        });
        await supervisor.start(spec, HISTORY_TIMEOUT_MS);
        await leaveClock();
        stop.throwIfAborted();
      }
      const running = record(true);
      announce(readyOf(running, settings.dataDir));
      say(`\noO is ready: ${places.publicUrl}\n\nStop it with Ctrl-C. Ask it with: npx oo --help`);
    };
    await Promise.race([everything(), stopped]);
    await stopped;
  } catch (error) {
    if (!stop.aborted) {
      const code = error instanceof ConfigurationRefused ? EXIT.usage : EXIT.unavailable;
      throw new CommandError(code, error instanceof Error ? error.message : String(error));
    }
  } finally {
    say('\nstopping …');
    await leaveClock();
    await supervisor.stop();
    removeRunFile(settings.dataDir);
    say('stopped.');
  }
}
