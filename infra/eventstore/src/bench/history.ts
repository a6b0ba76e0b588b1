import * as fs from 'node:fs';
import * as path from 'node:path';
import type { EventStoreDBClient } from '@eventstore/db-client';
import { LIMITS } from '../settings.js';
import { disk } from '../storage/files.js';
import { Log } from '../storage/log.js';
import { EventStore } from '../streams/event-store.js';
import { newEvent } from '../streams/new-event.js';
import { medianPair } from './percentile.js';

const EVENT_BYTES = 512;
const METADATA_BYTES = 64;
const SMALL = 10_000;
const EVENTS_PER_STREAM = 100;
const READS = 400;

interface RunningServer {
  readonly client: EventStoreDBClient;
  /** Resident, MB. */
  memory(): number;
  stop(signal: NodeJS.Signals): Promise<void>;
}

export interface HistoryOptions {
  readonly root: string;
  /** In a hundredth as many streams. */
  readonly events: number;
  readonly rounds: number;
  add(name: string, unit: string, value: number, baseline?: number): void;
  start(folder: string): Promise<RunningServer>;
}

const streamName = (n: number): string => `history-${n}`;

/**
 * A folder with many events in many streams: how fast a server starts on it, how much memory and disk it takes, and
 * whether random reads and appends are as fast as on a folder with 10,000 events.
 */
export async function measureHistory({ root, events, rounds, add, start }: HistoryOptions): Promise<void> {
  const large = path.join(root, 'large');
  const small = path.join(root, 'small');
  await fill(small, SMALL);
  const began = performance.now();
  await fill(large, events);
  add('history-fill', 'events/s', events / ((performance.now() - began) / 1000));
  add('history-bytes-on-disk', 'bytes/byte', folderSize(large) / (events * (EVENT_BYTES + METADATA_BYTES)));
  for (const [name, signal] of [
    ['history-start-clean', 'SIGTERM'],
    ['history-start-killed', 'SIGKILL'],
  ] as const) {
    const before = await start(large);
    // What a killed server has not sealed is read again at the next start: half a segment of it.
    for (let n = 0; n < (signal === 'SIGKILL' ? 2000 : 1); n++) {
      const batch = Array.from({ length: signal === 'SIGKILL' ? 100 : 1 }, () => clientEvent());
      await before.client.appendToStream(streamName(n), batch);
    }
    await before.stop(signal);
    const from = performance.now();
    const again = await start(large);
    add(name, 's', (performance.now() - from) / 1000);
    await again.stop('SIGTERM');
  }
  const servers = [await start(large), await start(small)] as const;
  const streams = [events, SMALL].map((count) => Math.max(1, Math.floor(count / EVENTS_PER_STREAM)));
  const measure = async (
    name: string,
    one: (client: EventStoreDBClient, stream: string) => Promise<void>,
  ) => {
    const pairs: [number, number][] = [];
    for (let round = 0; round < rounds * 2; round++) {
      const pair: [number, number] = [0, 0];
      for (const side of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const from = performance.now();
        for (let n = 0; n < READS; n++) {
          const stream = streamName(Math.floor(Math.random() * (streams[side] ?? 1)));
          await one(servers[side].client, stream);
        }
        pair[side] = READS / ((performance.now() - from) / 1000);
      }
      pairs.push(pair);
    }
    add(name, '1/s', ...medianPair(pairs));
  };
  try {
    await measure('history-random-read', async (client, stream) => {
      const fromRevision = BigInt(Math.floor(Math.random() * EVENTS_PER_STREAM));
      for await (const _ of client.readStream(stream, { fromRevision, maxCount: 1 }));
    });
    await measure('history-random-append', async (client, stream) => {
      await client.appendToStream(stream, clientEvent());
    });
    add('history-memory', 'MB', servers[0].memory(), servers[1].memory());
  } finally {
    for (const server of servers) await server.stop('SIGKILL');
    fs.rmSync(large, { recursive: true, force: true });
    fs.rmSync(small, { recursive: true, force: true });
  }
}

const text = (bytes: number): { pad: string } => ({
  pad: 'x'.repeat(bytes - JSON.stringify({ pad: '' }).length),
});

function clientEvent() {
  return {
    id: crypto.randomUUID(),
    contentType: 'application/json' as const,
    type: 'history',
    data: text(EVENT_BYTES),
    metadata: text(METADATA_BYTES),
  };
}

/** Writes events through the store itself, in turns to all streams, without the network. */
async function fill(directory: string, events: number): Promise<void> {
  const log = await Log.open({
    files: disk,
    directory,
    segmentSize: 256 << 20,
    segmentRecords: LIMITS.segmentRecords,
    report: () => {},
  });
  const store = new EventStore(log, {
    streamCache: 200_000,
    idempotencyWindow: 1000,
    now: () => Date.now() * 1000,
  });
  const data = Buffer.from(JSON.stringify(text(EVENT_BYTES)));
  const metadata = Buffer.from(JSON.stringify(text(METADATA_BYTES)));
  const streams = Math.max(1, Math.floor(events / EVENTS_PER_STREAM));
  const group = 2000;
  let shown = 0;
  for (let n = 0; n < events; n += group) {
    const results = Array.from(
      { length: Math.min(group, events - n) },
      (_, k) =>
        new Promise<void>((resolve, reject) => {
          const event = newEvent('history', true, data, metadata);
          store.append(streamName((n + k) % streams), 'any', [event], (result) =>
            result.kind === 'appended' ? resolve() : reject(new Error(`the fill failed: ${result.kind}`)),
          );
        }),
    );
    await Promise.all(results);
    const percent = Math.floor(((n + group) / events) * 10) * 10;
    if (percent > shown && events > SMALL) {
      shown = percent;
      process.stderr.write(`history: ${percent}% of ${events} events written\n`);
    }
  }
  await log.close();
}

function folderSize(folder: string): number {
  let size = 0;
  for (const name of fs.readdirSync(folder)) size += fs.statSync(path.join(folder, name)).size;
  return size;
}
