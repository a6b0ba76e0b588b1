#!/usr/bin/env node
import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as os from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as DbClient from '@eventstore/db-client';
import { Command, InvalidArgumentError } from 'commander';
import { wholeNumber } from '../testing/whole-number.js';
import { measureHistory } from './history.js';
import { medianPair, percentile } from './percentile.js';

const { EventStoreDBClient, jsonEvent, persistentSubscriptionToStreamSettingsFromDefaults }: typeof DbClient =
  createRequire(import.meta.url)('@eventstore/db-client');

type Client = InstanceType<typeof EventStoreDBClient>;

interface Entry {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number | null;
  readonly ratio: number | null;
}

const EVENT_BYTES = 512;
const body = { pad: 'x'.repeat(EVENT_BYTES - JSON.stringify({ pad: '' }).length) };
const event = (): ReturnType<typeof jsonEvent> => jsonEvent({ type: 'bench', data: body });
const events = (count: number): ReturnType<typeof jsonEvent>[] => Array.from({ length: count }, event);

class Target {
  readonly client: Client;

  private constructor(
    readonly name: string,
    private readonly process: ChildProcess,
    port: number,
    readonly folder: string,
  ) {
    this.client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${port}?tls=false`);
  }

  static async start(name: string, script: string, folder: string, args: readonly string[]): Promise<Target> {
    const file = path.join(path.dirname(fileURLToPath(import.meta.url)), script);
    const child = spawn(process.execPath, [file, '--data', folder, '--port', '0', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const port = await new Promise<number>((resolve, reject) => {
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        const match = /ready on [^\s]*:(\d+)/.exec(text);
        if (match !== null) resolve(Number(match[1]));
      });
      child.on('exit', (code) => reject(new Error(`${name} ended with code ${code} before it was ready`)));
    });
    return new Target(name, child, port, folder);
  }

  /** Resident memory in MB. */
  memory(): number {
    const status = fs.readFileSync(`/proc/${this.process.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.client.dispose();
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill(signal);
    await ended;
  }
}

/** Appends for a while, and returns the events a second and the latency of each call in ms. */
async function append(
  client: Client,
  seconds: number,
  inFlight: number,
  perCall: number,
  stream: (worker: number) => string,
): Promise<{ perSecond: number; latencies: number[] }> {
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  await Promise.all(
    Array.from({ length: inFlight }, async (_, worker) => {
      while (performance.now() < end) {
        const from = performance.now();
        await client.appendToStream(stream(worker), events(perCall));
        latencies.push(performance.now() - from);
      }
    }),
  );
  return { perSecond: (latencies.length * perCall) / ((performance.now() - start) / 1000), latencies };
}

async function readStream(
  client: Client,
  stream: string,
  count: number,
  backwards: boolean,
): Promise<number> {
  const start = performance.now();
  const iterator = client.readStream(stream, {
    maxCount: count,
    ...(backwards ? { direction: 'backwards', fromRevision: 'end' } : { direction: 'forwards' }),
    deadline: 120_000,
  });
  let read = 0;
  for await (const _ of iterator) read++;
  if (read !== count) throw new Error(`read ${read} of ${count} events`);
  return count / ((performance.now() - start) / 1000);
}

async function catchUp(client: Client, count: number): Promise<number> {
  const start = performance.now();
  const subscription = client.subscribeToAll({ fromPosition: 'start' });
  await new Promise<void>((resolve, reject) => {
    let seen = 0;
    subscription.on('data', () => {
      if (++seen === count) resolve();
    });
    subscription.on('error', reject);
  });
  const perSecond = count / ((performance.now() - start) / 1000);
  await subscription.unsubscribe();
  return perSecond;
}

/** From the call of append to the arrival at a live subscriber, ms. */
async function live(client: Client, stream: string, count: number): Promise<number[]> {
  const arrived = new Map<string, () => void>();
  const subscription = client.subscribeToStream(stream, { fromRevision: 'end' });
  subscription.on('data', ({ event: received }) => {
    if (received !== undefined) arrived.get(received.id)?.();
  });
  subscription.on('error', () => {});
  await new Promise((resolve) => setTimeout(resolve, 200));
  const latencies: number[] = [];
  for (let n = 0; n < count; n++) {
    const one = event();
    const from = performance.now();
    const arrival = new Promise<void>((resolve) => arrived.set(one.id, resolve));
    await Promise.all([arrival, client.appendToStream(stream, one)]);
    latencies.push(performance.now() - from);
    arrived.delete(one.id);
  }
  await subscription.unsubscribe();
  return latencies;
}

async function persistent(client: Client, stream: string, group: string, count: number): Promise<number> {
  await client.createPersistentSubscriptionToStream(
    stream,
    group,
    persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: 'start' }),
  );
  const start = performance.now();
  const subscription = client.subscribeToPersistentSubscriptionToStream(stream, group, { bufferSize: 100 });
  await new Promise<void>((resolve, reject) => {
    let seen = 0;
    subscription.on('data', (received) => {
      void subscription.ack(received);
      if (++seen === count) resolve();
    });
    subscription.on('error', reject);
  });
  const perSecond = count / ((performance.now() - start) / 1000);
  await subscription.unsubscribe();
  await client.deletePersistentSubscriptionToStream(stream, group);
  return perSecond;
}

const median = (values: readonly number[]): number => percentile(values, 50);

/** Measures both in turns, so that what else the machine does falls on both alike; see `medianPair`. */
async function compare(
  targets: readonly [Target, Target],
  rounds: number,
  measure: (target: Target, round: number) => Promise<number>,
): Promise<[number, number]> {
  const pairs: [number, number][] = [];
  for (let round = 0; round < rounds; round++) {
    const pair: [number, number] = [0, 0];
    for (const side of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      pair[side] = await measure(targets[side], round);
    }
    pairs.push(pair);
  }
  return medianPair(pairs);
}

function folderSize(folder: string): number {
  let size = 0;
  for (const name of fs.readdirSync(folder)) size += fs.statSync(path.join(folder, name)).size;
  return size;
}

interface Options {
  readonly json?: string;
  readonly seconds: number;
  readonly rounds: number;
  readonly events: number;
  readonly only?: RegExp;
  readonly history: number;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('Give a number above 0.');
  return value;
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

async function main(): Promise<void> {
  const options = new Command('bench:eventstore')
    .description('Measures the server beside one that stores nothing, in turns, through the official client.')
    .option('--json <file>', 'write the list of {name, value, unit, baseline, ratio} there')
    .option('--seconds <n>', 'how long each writing measurement takes', positive, 1.5)
    .option('--rounds <count>', 'how often each is taken; medians are told', wholeNumber, 5)
    .option('--events <count>', 'how many are read', wholeNumber, 100_000)
    .option('--only <pattern>', 'a regular expression: those whose name fits', pattern)
    .option('--history <count>', 'events of the large folder; 0 leaves it out', wholeNumber, 1_000_000)
    .parse()
    .opts<Options>();
  const { seconds, rounds, events: count, history, only } = options;
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'eventstore-bench-'));
  const ours = await Target.start('eventstore', '../main.js', path.join(root, 'ours'), []);
  const none = await Target.start('null', '../null/main.js', path.join(root, 'null'), [
    '--events',
    String(count),
  ]);
  const targets: readonly [Target, Target] = [ours, none];
  const entries: Entry[] = [];
  const add = (name: string, unit: string, value: number, baseline?: number): void => {
    const entry: Entry = {
      name,
      value: round(value),
      unit,
      baseline: baseline === undefined ? null : round(baseline),
      ratio: baseline === undefined ? null : round(value / baseline),
    };
    entries.push(entry);
    process.stderr.write(
      `${entry.name.padEnd(20)} ${entry.value} ${unit}` +
        `${baseline === undefined ? '' : `, null ${entry.baseline}, ratio ${entry.ratio}`}\n`,
    );
  };
  const wanted = (name: string): boolean => only === undefined || only.test(name);
  try {
    for (const { client } of targets) await append(client, 1, 4, 1, (worker) => `warm-${worker}`);
    if (wanted('append-sequential')) {
      const measured = await compare(
        targets,
        rounds,
        async ({ client }) => (await append(client, seconds, 1, 1, () => 'sequential')).perSecond,
      );
      add('append-sequential', 'events/s', ...measured);
    }
    if (wanted('append-32')) {
      const tails: [number, number][] = [];
      const measured = await compare(targets, rounds, async (target, turn) => {
        const { client } = target;
        const { perSecond, latencies } = await append(
          client,
          seconds,
          32,
          1,
          (worker) => `parallel-${worker}`,
        );
        const pair = tails[turn] ?? [0, 0];
        pair[target === ours ? 0 : 1] = percentile(latencies, 99);
        tails[turn] = pair;
        return perSecond;
      });
      add('append-32', 'events/s', ...measured);
      add('append-32-p99', 'ms', ...medianPair(tails));
    }
    if (wanted('append-batch-100')) {
      const measured = await compare(
        targets,
        rounds,
        async ({ client }) =>
          (await append(client, seconds, 8, 100, (worker) => `batch-${worker}`)).perSecond,
      );
      add('append-batch-100', 'events/s', ...measured);
    }
    const before = folderSize(ours.folder);
    for (let n = 0; n < count; n += 500)
      await ours.client.appendToStream('big', events(Math.min(500, count - n)));
    add('bytes-on-disk', 'bytes/byte', (folderSize(ours.folder) - before) / (count * EVENT_BYTES));
    if (wanted('read-forwards')) {
      add(
        'read-forwards',
        'events/s',
        ...(await compare(targets, rounds, ({ client }) => readStream(client, 'big', count, false))),
      );
    }
    if (wanted('read-backwards')) {
      add(
        'read-backwards',
        'events/s',
        ...(await compare(targets, rounds, ({ client }) => readStream(client, 'big', count, true))),
      );
    }
    if (wanted('all-catch-up')) {
      add(
        'all-catch-up',
        'events/s',
        ...(await compare(targets, rounds, ({ client }) => catchUp(client, count))),
      );
    }
    if (wanted('live')) {
      add(
        'live-p50',
        'ms',
        ...(await compare(targets, rounds, async ({ client }, turn) =>
          median(await live(client, `live-${turn}`, 300)),
        )),
      );
    }
    if (wanted('persistent')) {
      const acknowledged = Math.min(count, 20_000);
      for (let n = 0; n < acknowledged; n += 500) await ours.client.appendToStream('persistent', events(500));
      add(
        'persistent-ack',
        'events/s',
        ...(await compare(targets, rounds, ({ client }, turn) =>
          persistent(client, 'persistent', `group-${turn}`, acknowledged),
        )),
      );
    }
    add('memory', 'MB', ours.memory(), none.memory());
    await ours.stop();
    for (const [name, signal] of [
      ['start-clean', 'SIGTERM'],
      ['start-killed', 'SIGKILL'],
    ] as const) {
      const first = await Target.start('eventstore', '../main.js', ours.folder, []);
      await first.client.appendToStream('restart', event());
      await first.stop(signal);
      const from = performance.now();
      const again = await Target.start('eventstore', '../main.js', ours.folder, []);
      add(name, 's', (performance.now() - from) / 1000);
      await again.stop();
    }
    await none.stop();
    if (history > 0 && wanted('history')) {
      await measureHistory({
        root,
        events: history,
        rounds,
        add,
        start: async (folder) => {
          const target = await Target.start('eventstore', '../main.js', folder, []);
          return {
            client: target.client,
            memory: () => target.memory(),
            stop: (signal) => target.stop(signal),
          };
        },
      });
    }
  } finally {
    await Promise.allSettled(targets.map((target) => target.stop('SIGKILL')));
    fs.rmSync(root, { recursive: true, force: true });
  }
  if (options.json !== undefined) fs.writeFileSync(options.json, `${JSON.stringify(entries, null, 1)}\n`);
  else process.stdout.write(`${JSON.stringify(entries, null, 1)}\n`);
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(
      `bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(1);
  },
);
