import { describe, expect, it } from 'vitest';
import { EventStore } from '../streams/event-store.js';
import { FaultyDisk, random } from '../testing/faulty-disk.js';
import type { Files } from './files.js';
import { Log } from './log.js';
import { NO_BYTES } from './record.js';
import { RecordReader } from './record-reader.js';
import { scavenge } from './scavenge.js';

const DIRECTORY = '/data';
const APPENDS = 9;
const SEEDS = Number(process.env.OO_CRASH_SEEDS ?? 2);

/** Counts what is done to the disk, and loses the power in the middle of it at a chosen count. */
function countedDisk(disk: FaultyDisk, crashAt: number): { files: Files; count: () => number } {
  let count = 0;
  const tick = (): void => {
    if (++count === crashAt) disk.crash();
  };
  const mounted = disk.mount();
  const files: Files = {
    ...mounted,
    open: (file, mode) => {
      if (mode === 'create') tick();
      const handle = mounted.open(file, mode);
      return {
        read: (target, position) => handle.read(target, position),
        write: (source, position) => {
          tick();
          handle.write(source, position);
        },
        datasync: async () => {
          tick();
          await handle.datasync();
          tick();
        },
        truncate: (length) => {
          tick();
          handle.truncate(length);
        },
        size: () => handle.size(),
        close: () => handle.close(),
      };
    },
    rename: (from, to) => {
      tick();
      mounted.rename(from, to);
    },
    remove: (file) => {
      tick();
      mounted.remove(file);
    },
    syncDirectory: (directory) => {
      tick();
      mounted.syncDirectory(directory);
    },
  };
  return { files, count: () => count };
}

function openLog(files: Files): Promise<Log> {
  return Log.open({ files, directory: DIRECTORY, segmentSize: 800, segmentRecords: 1000, report: () => {} });
}

const openStore = (log: Log): EventStore =>
  new EventStore(log, { streamCache: 100, idempotencyWindow: 1000, now: () => 1_700_000_000_000_000 });

/** Appends two events at a time, each group when the one before was answered, then scavenges; tells what was answered. */
async function run(files: Files, acknowledged: Set<number>): Promise<void> {
  const store = openStore(await openLog(files));
  for (let n = 0; n < APPENDS; n++) {
    const events = [n * 2, n * 2 + 1].map((id) => {
      const bytes = Buffer.alloc(16, 9);
      bytes.writeUInt32BE(id, 0);
      return { id: bytes, type: 't', json: true, metadata: NO_BYTES, data: Buffer.alloc(60, 0x61) };
    });
    const result = await new Promise<{ kind: string }>((done) => store.append('s', 'any', events, done));
    if (result.kind === 'appended') acknowledged.add(n);
  }
  await scavenge(store.log, {
    files,
    directory: DIRECTORY,
    segmentSize: 800,
    judge: () => 'keep',
    isStopped: () => false,
    progress: () => {},
  });
  await store.log.close();
}

/** Ends when the run has, or when the power is gone and nothing more can happen. */
async function untilCrash(disk: FaultyDisk, begin: () => Promise<void>): Promise<void> {
  const { life } = disk;
  let over = false;
  const done = begin().then(
    () => {
      over = true;
    },
    () => {
      over = true;
    },
  );
  while (!over && disk.life === life)
    await Promise.race([done, new Promise((resolve) => setImmediate(resolve))]);
}

describe('the power lost', () => {
  it(
    'at every single operation on the disk costs nothing that was acknowledged',
    async () => {
      const whole = countedDisk(new FaultyDisk(random(1)), Number.POSITIVE_INFINITY);
      await run(whole.files, new Set());
      const operations = whole.count();
      expect(operations).toBeGreaterThan(60);
      for (let seed = 1; seed <= SEEDS; seed++) {
        for (let crashAt = 1; crashAt <= operations; crashAt++) {
          const disk = new FaultyDisk(random(seed * 1000 + crashAt));
          const acknowledged = new Set<number>();
          await untilCrash(disk, () => run(countedDisk(disk, crashAt).files, acknowledged));
          const hint = `seed ${seed}, operation ${crashAt} of ${operations}`;
          const known = new Set(acknowledged);
          const log = await openLog(disk.mount()).catch((error: unknown) => {
            throw new Error(`${hint}: the log does not open`, { cause: error });
          });
          const records = openStore(log).readForwards('s', 0, 1000, new RecordReader(log)).records;
          const ids = records.map((record) => record.id.readUInt32BE(0));
          // Written one after the other, so what is there is a beginning of it, in whole appends.
          expect(ids, hint).toEqual(Array.from({ length: ids.length }, (_, n) => n));
          expect(ids.length % 2, `${hint}: half an append`).toBe(0);
          expect(ids.length, `${hint}: an acknowledged append is gone`).toBeGreaterThanOrEqual(
            known.size * 2,
          );
          await log.close();
        }
      }
    },
    120_000 + SEEDS * 60_000,
  );
});
