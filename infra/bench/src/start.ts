import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Producer, RunningOo } from '@oo/cli/testing';
import {
  eventStoreCommand,
  freePort,
  initPostgres,
  isTaken,
  natsProcess,
  postgresAnswers,
  postgresCommand,
  Supervisor,
} from '@oo/embedded';
import { type Measurement, measurement } from './measurement.js';

const seconds = (since: number) => (performance.now() - since) / 1000;

/** The three servers alone, on folders that are there already: what no start can be faster than. */
async function bareServers(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'oo-bench-'));
  const [storePort, natsPort, sqlPort] = [await freePort(), await freePort(), await freePort()];
  const sql = { dataDir: join(folder, 'postgres'), port: sqlPort, password: 'a'.repeat(24) };
  await initPostgres(sql);
  const supervisor = new Supervisor(join(folder, 'logs'), {
    onCrash: () => undefined,
    onChange: () => undefined,
  });
  const began = performance.now();
  await Promise.all([
    supervisor.start({
      name: 'eventstore',
      ...eventStoreCommand(join(folder, 'eventstore'), storePort),
      ready: () => isTaken(storePort),
    }),
    supervisor.start(natsProcess({ dataDir: join(folder, 'nats'), port: natsPort, token: 'b'.repeat(24) })),
    supervisor.start({
      name: 'postgres',
      ...(await postgresCommand(sql)),
      ready: () => postgresAnswers(sql),
      stopSignal: 'SIGINT',
    }),
  ]);
  const took = seconds(began);
  await supervisor.stop();
  rmSync(folder, { recursive: true, force: true });
  return took;
}

/** First start (installed, with the demo's history), second start, and the time from a start to a tip. */
export async function start(): Promise<Measurement[]> {
  const baseline = await bareServers();
  const against = 'event store, nats-server and Postgres alone';
  const env = { OO_DEMO_PACE: '0' };
  const first = performance.now();
  const oo = await RunningOo.start(env);
  try {
    const firstStart = seconds(first);
    await oo.stop();
    const second = performance.now();
    await oo.start();
    const address = seconds(second);
    const { token } = await oo.json<{ token: string }>('person', 'bench');
    const producer = new Producer(oo, token);
    const opened = performance.now();
    await producer.signal('ContextObserved', { kind: 'CONTEXT_KIND_PAGE_OPENED', device: 'DEVICE_DESKTOP' });
    while ((await producer.tip()) === null) {
      if (seconds(opened) > 60) throw new Error('no tip within a minute of opening the page');
    }
    const tip = seconds(opened);
    return [
      measurement('start-first', firstStart, 's', baseline, `${against}; includes a week of the demo's life`),
      measurement('start', address, 's', baseline, against),
      measurement('start-to-first-tip', address + tip, 's', baseline, against),
    ];
  } finally {
    await oo.dispose();
  }
}
