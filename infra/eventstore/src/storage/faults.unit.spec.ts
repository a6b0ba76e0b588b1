import { describe, expect, it } from 'vitest';
import { type AppendResult, EventStore } from '../streams/event-store.js';
import { type Fault, FaultyDisk, random } from '../testing/faulty-disk.js';
import { Log } from './log.js';
import { NO_BYTES, type ProposedEvent } from './record.js';
import { RecordReader } from './record-reader.js';
import { repairLog } from './repair.js';
import { DamagedLog } from './segment.js';
import { verifyFolder } from './verify.js';

const DIRECTORY = '/data';
const SEEDS = Number(process.env.OO_FAULT_SEEDS ?? 60);
/** Long enough for a machine that does other things too. */
const SLOW_MS = 120_000 + SEEDS * 2000;

async function open(disk: FaultyDisk): Promise<EventStore> {
  const log = await Log.open({
    files: disk.mount(),
    directory: DIRECTORY,
    segmentSize: 4096,
    segmentRecords: 1000,
    report: () => {},
  });
  return new EventStore(log, {
    streamCache: 100,
    idempotencyWindow: 10_000,
    now: () => 1_700_000_000_000_000,
  });
}

const event = (id: number): ProposedEvent => {
  const bytes = Buffer.alloc(16, 7);
  bytes.writeUInt32BE(id, 0);
  return {
    id: bytes,
    type: 'test',
    json: true,
    metadata: NO_BYTES,
    data: Buffer.alloc(10 + (id % 90), 0x62),
  };
};

interface Attempt {
  readonly stream: string;
  readonly ids: readonly number[];
  result: AppendResult | undefined;
}

function send(store: EventStore, attempt: Attempt): Promise<void> {
  return new Promise((done) =>
    store.append(attempt.stream, 'any', attempt.ids.map(event), (result) => {
      attempt.result = result;
      done();
    }),
  );
}

function read(store: EventStore, stream: string): number[] {
  const reader = new RecordReader(store.log);
  const ids: number[] = [];
  for (let next = 0; ; ) {
    const slice = store.readForwards(stream, next, 10, reader);
    for (const record of slice.records) {
      expect(record.revision).toBe(ids.length);
      ids.push(record.id.readUInt32BE(0));
    }
    if (slice.end) return ids;
    next = slice.next;
  }
}

const STREAMS = ['one', 'two', 'three'];

/** Whatever was acknowledged is there, in the order of its revisions; whatever else is there is a whole append. */
function check(store: EventStore, attempts: readonly Attempt[], seed: number): void {
  for (const stream of STREAMS) {
    const there = read(store, stream);
    const places = new Map(there.map((id, place) => [id, place]));
    expect(places.size, `seed ${seed}: an event is there twice`).toBe(there.length);
    for (const attempt of attempts.filter((one) => one.stream === stream)) {
      const found = attempt.ids.map((id) => places.get(id));
      if (attempt.result?.kind === 'appended') {
        const last = attempt.result.revision;
        expect(found, `seed ${seed}: an acknowledged append`).toEqual(
          attempt.ids.map((_, n) => last - attempt.ids.length + 1 + n),
        );
      } else if (found.some((place) => place !== undefined)) {
        const first = found[0] ?? -1;
        expect(found, `seed ${seed}: an append came in half`).toEqual(attempt.ids.map((_, n) => first + n));
      }
    }
  }
}

describe('the log on a faulty disk', () => {
  it(
    `keeps what it acknowledged through ${SEEDS} seeds of short writes, errors and crashes`,
    async () => {
      const tally = { seeds: SEEDS, acknowledged: 0, refusedAtFirst: 0, faults: 0, crashes: 0, kills: 0 };
      for (let seed = 1; seed <= SEEDS; seed++) {
        const next = random(seed);
        const disk = new FaultyDisk(next);
        let store = await open(disk);
        const attempts: Attempt[] = [];
        let id = seed * 10_000;
        for (let round = 0; round < 4; round++) {
          const faults: Fault[] = ['short-write', 'no-space', 'write-error', 'sync-error'];
          disk.fault = (operation) => {
            if (next() > 0.08) return undefined;
            const fault = faults[Math.floor(next() * faults.length)];
            if (fault === undefined || (fault === 'sync-error') !== (operation === 'sync')) return undefined;
            tally.faults++;
            return fault;
          };
          const pending: Promise<void>[] = [];
          for (let n = 0; n < 25; n++) {
            const stream = STREAMS[Math.floor(next() * STREAMS.length)] ?? 'one';
            const ids = Array.from({ length: 1 + Math.floor(next() * 4) }, () => ++id);
            const attempt: Attempt = { stream, ids, result: undefined };
            attempts.push(attempt);
            pending.push(send(store, attempt));
            if (next() < 0.4) await Promise.all(pending.splice(0));
            if (next() < 0.1) await new Promise((resolve) => setTimeout(resolve, 1));
          }
          if (next() < 0.5) {
            await Promise.all(pending);
            check(store, attempts, seed);
          }
          if (next() < 0.7) {
            disk.crash();
            tally.crashes++;
          } else {
            disk.kill();
            tally.kills++;
          }
          store = await open(disk);
          check(store, attempts, seed);
          // An append without an answer is sent again, as a client would.
          for (const attempt of attempts) {
            if (attempt.result?.kind === 'appended') continue;
            tally.refusedAtFirst++;
            await send(store, attempt);
          }
          check(store, attempts, seed);
        }
        for (const attempt of attempts) {
          expect(attempt.result?.kind).toBe('appended');
          tally.acknowledged++;
        }
        await store.log.close();
      }
      process.stdout.write(`${JSON.stringify(tally)}\n`);
      expect(tally.acknowledged).toBe(SEEDS * 100);
    },
    SLOW_MS,
  );

  it('cuts a torn tail, and says so', async () => {
    const disk = new FaultyDisk(random(1));
    const store = await open(disk);
    for (let n = 0; n < 5; n++) await send(store, { stream: 'one', ids: [n], result: undefined });
    await store.log.close();
    const file = `${DIRECTORY}/00000000.log`;
    const size = disk.size(file);
    disk.open(file, 'write').write(Buffer.from('half a record, cut by a power failure: '.repeat(3)), size);
    const reported: string[] = [];
    const log = await Log.open({
      files: disk,
      directory: DIRECTORY,
      segmentSize: 4096,
      segmentRecords: 1000,
      report: (message) => reported.push(message),
    });
    expect(log.cut?.position).toBe(size);
    expect(reported.join()).toContain(`at position ${size}`);
    expect(disk.size(file)).toBe(size);
  });

  it(
    'refuses to start on any flipped bit, names the place and the stream, and repairs with a copy of what it took out',
    async () => {
      for (let seed = 1; seed <= 40; seed++) {
        const next = random(seed);
        const disk = new FaultyDisk(next);
        const store = await open(disk);
        const attempts: Attempt[] = [];
        for (let n = 0; n < 60; n++) {
          const attempt: Attempt = { stream: STREAMS[n % 3] ?? 'one', ids: [n], result: undefined };
          attempts.push(attempt);
          await send(store, attempt);
        }
        await store.log.close();
        const segments = disk.files.filter((file) => file.endsWith('.log'));
        const file = segments[Math.floor(next() * segments.length)] ?? '';
        const place = 64 + Math.floor(next() * (disk.size(file) - 64));
        disk.flip(file, place, Math.floor(next() * 8));
        let refused: unknown;
        try {
          await open(disk);
        } catch (error) {
          refused = error;
        }
        expect(refused, `seed ${seed}: byte ${place} of ${file}`).toBeInstanceOf(DamagedLog);
        expect(String(refused)).toMatch(/position \d+/);
        expect(verifyFolder({ files: disk, directory: DIRECTORY }).damage.length).toBeGreaterThan(0);
        await repairLog({ files: disk, directory: DIRECTORY, report: () => {} });
        expect(disk.files.some((name) => name.includes('quarantine') && name.endsWith('.bin'))).toBe(true);
        expect(verifyFolder({ files: disk, directory: DIRECTORY }).damage).toEqual([]);
        const again = await open(disk);
        const reader = new RecordReader(again.log);
        const left = again.readAllForwards(0, 1000, reader).records.length;
        expect(left).toBeGreaterThanOrEqual(59);
        const more: Attempt = { stream: 'one', ids: [1000], result: undefined };
        await send(again, more);
        expect(more.result?.kind).toBe('appended');
        await again.log.close();
      }
    },
    SLOW_MS,
  );

  it(
    'rebuilds an index that was damaged',
    async () => {
      for (let seed = 1; seed <= 30; seed++) {
        const next = random(seed);
        const disk = new FaultyDisk(next);
        const store = await open(disk);
        for (let n = 0; n < 100; n++) await send(store, { stream: `s${n % 7}`, ids: [n], result: undefined });
        await store.log.close();
        const indexes = disk.files.filter((file) => file.endsWith('.idx'));
        const file = indexes[Math.floor(next() * indexes.length)] ?? '';
        disk.flip(file, Math.floor(next() * disk.size(file)), 3);
        const again = await open(disk);
        for (let stream = 0; stream < 7; stream++) {
          const expected = Array.from({ length: 100 }, (_, n) => n).filter((n) => n % 7 === stream);
          expect(read(again, `s${stream}`)).toEqual(expected);
        }
        await again.log.close();
      }
    },
    SLOW_MS,
  );

  it('goes on reading and writes again after the disk was full', async () => {
    const disk = new FaultyDisk(random(9));
    const store = await open(disk);
    await send(store, { stream: 'one', ids: [1], result: undefined });
    disk.fault = (operation) => (operation === 'write' ? 'no-space' : undefined);
    const refused: Attempt = { stream: 'one', ids: [2], result: undefined };
    await send(store, refused);
    expect(refused.result).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ENOSPC') });
    expect(read(store, 'one')).toEqual([1]);
    disk.fault = () => undefined;
    const accepted: Attempt = { stream: 'one', ids: [3], result: undefined };
    await send(store, accepted);
    expect(accepted.result).toMatchObject({ kind: 'appended', revision: 1 });
    expect(read(store, 'one')).toEqual([1, 3]);
  });

  it('believes nothing of a file whose sync failed until it was read back, and goes on in another', async () => {
    const disk = new FaultyDisk(random(10));
    const store = await open(disk);
    await send(store, { stream: 'one', ids: [1], result: undefined });
    let fail = true;
    disk.fault = (operation) => (operation === 'sync' && fail ? 'sync-error' : undefined);
    const refused: Attempt = { stream: 'one', ids: [2], result: undefined };
    await send(store, refused);
    expect(refused.result).toMatchObject({ kind: 'failed', reason: expect.stringContaining('EIO') });
    fail = false;
    let accepted: Attempt;
    do {
      accepted = { stream: 'one', ids: [2], result: undefined };
      await send(store, accepted);
      await new Promise((resolve) => setTimeout(resolve, 1));
    } while (accepted.result?.kind === 'failed');
    expect(accepted.result).toMatchObject({ kind: 'appended', revision: 1 });
    expect(store.log.segments.length).toBe(2);
    disk.crash();
    expect(read(await open(disk), 'one')).toEqual([1, 2]);
  });

  it('does not write again when what it acknowledged cannot be read back', async () => {
    const disk = new FaultyDisk(random(11));
    const store = await open(disk);
    for (let n = 1; n <= 3; n++) await send(store, { stream: 'one', ids: [n], result: undefined });
    disk.fault = (operation) => (operation === 'sync' ? 'sync-error' : undefined);
    await send(store, { stream: 'one', ids: [4], result: undefined });
    disk.fault = () => undefined;
    disk.flip(`${DIRECTORY}/00000000.log`, 150, 1);
    for (let n = 0; n < 5; n++) {
      const refused: Attempt = { stream: 'one', ids: [5], result: undefined };
      await send(store, refused);
      expect(refused.result?.kind).toBe('failed');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(store.log.failure?.message).toMatch(/damage in 00000000\.log at position \d+/);
    disk.flip(`${DIRECTORY}/00000000.log`, 150, 1);
    let accepted: Attempt;
    do {
      accepted = { stream: 'one', ids: [5], result: undefined };
      await send(store, accepted);
      await new Promise((resolve) => setTimeout(resolve, 1));
    } while (accepted.result?.kind === 'failed');
    expect(read(store, 'one')).toEqual([1, 2, 3, 5]);
  });

  it('does not let an append that was refused come back from behind a later one', async () => {
    const disk = new FaultyDisk(random(13));
    const store = await open(disk);
    await send(store, { stream: 'one', ids: [0], result: undefined });
    // Written together, and half of it: two whole records of the four, which have the same length.
    const refused: Attempt[] = [90, 180, 270, 360].map((id) => ({
      stream: 'two',
      ids: [id],
      result: undefined,
    }));
    disk.fault = (operation) => (operation === 'write' ? 'short-write' : undefined);
    await Promise.all(refused.map((attempt) => send(store, attempt)));
    expect(refused.map((attempt) => attempt.result?.kind)).toEqual(Array(4).fill('failed'));
    disk.fault = () => undefined;
    // Ends where the second of them began.
    await send(store, { stream: 'two', ids: [450], result: undefined });
    disk.kill();
    expect(read(await open(disk), 'two')).toEqual([450]);
  });

  it('writes anew what a killed process left unsynced, before it counts as there', async () => {
    const disk = new FaultyDisk(random(14));
    const store = await open(disk);
    await send(store, { stream: 'one', ids: [1], result: undefined });
    disk.fault = (operation) => (operation === 'sync' ? 'sync-error' : undefined);
    await send(store, { stream: 'one', ids: [2], result: undefined });
    // The kernel has forgotten that it owes these bytes to the disk.
    disk.kill();
    const again = await open(disk);
    const retried: Attempt = { stream: 'one', ids: [2], result: undefined };
    await send(again, retried);
    expect(retried.result).toMatchObject({ kind: 'appended', revision: 1 });
    disk.crash();
    expect(read(await open(disk), 'one')).toEqual([1, 2]);
  });

  it('refuses a folder of another format, with its number', async () => {
    const disk = new FaultyDisk(random(12));
    await (await open(disk)).log.close();
    const manifest = `${DIRECTORY}/manifest.json`;
    const later = disk.content(manifest).toString().replace('"format": 1', '"format": 9');
    disk.open(manifest, 'create').write(Buffer.from(later), 0);
    await expect(open(disk)).rejects.toThrow(/has format 9, this server reads format 1/);
  });
});
