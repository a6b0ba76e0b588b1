import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { type Client, collect, connect, db, disconnect } from './client.js';
import { random } from './faulty-disk.js';
import { startProcess } from './process.js';

export interface KillSummary {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly unanswered: number;
  readonly presentThoughUnanswered: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly outOfOrder: number;
}

interface Append {
  readonly stream: string;
  readonly ids: readonly string[];
  /** The revision that was acknowledged. */
  revision: bigint | undefined;
}

const WRITERS = 6;

/**
 * Kills a server under concurrent writers again and again. After each start what was acknowledged is compared with what
 * is there: order, contents, and that a retry of what was not answered writes it once.
 */
export async function killRounds(
  rounds: number,
  seed: number,
  progress: (round: number, summary: KillSummary) => void = () => {},
): Promise<KillSummary> {
  const next = random(seed);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'eventstore-kill-'));
  const args = ['--data', folder, '--port', '0', '--segment-size', String(256 * 1024)];
  const summary = {
    rounds,
    acknowledged: 0,
    unanswered: 0,
    presentThoughUnanswered: 0,
    lost: 0,
    duplicated: 0,
    outOfOrder: 0,
  };
  const expected = new Map<string, string[]>();
  let unanswered: Append[] = [];
  let answered = (): void => {};
  try {
    for (let round = 0; round <= rounds; round++) {
      const server = await startProcess(args);
      const client = connect(server.port);
      try {
        await verify(client, expected, unanswered, summary);
        unanswered = [];
        progress(round, summary);
        if (round === rounds) {
          await disconnect(client);
          await server.signal('SIGTERM');
          break;
        }
        let killed = false;
        // By how much was answered rather than by the clock, so that a slow machine is killed in full flight too.
        let answersLeft = 5 + Math.floor(next() * 150);
        const latest = new Promise((resolve) => setTimeout(resolve, 200 + next() * 400));
        const enough = new Promise<void>((resolve) => {
          answered = () => {
            if (--answersLeft === 0) resolve();
          };
        });
        const kill = Promise.race([latest, enough]).then(() => {
          killed = true;
          return server.signal('SIGKILL');
        });
        const appends: Append[] = [];
        const write = async (writer: number): Promise<void> => {
          while (!killed) {
            const stream = `stream-${(writer + Math.floor(next() * 2)) % WRITERS}`;
            const events = Array.from({ length: 1 + Math.floor(next() * 4) }, () =>
              db.jsonEvent({
                type: 'kill',
                data: { round, writer, pad: 'x'.repeat(Math.floor(next() * 400)) },
              }),
            );
            const append: Append = { stream, ids: events.map((event) => event.id), revision: undefined };
            appends.push(append);
            try {
              append.revision = (await client.appendToStream(stream, events)).nextExpectedRevision;
              answered();
            } catch {
              return;
            }
          }
        };
        await Promise.all([kill, ...Array.from({ length: WRITERS }, (_, writer) => write(writer))]);
        settle(appends, expected, summary);
        unanswered = appends.filter((append) => append.revision === undefined);
        summary.unanswered += unanswered.length;
      } finally {
        await disconnect(client).catch(() => {});
        await server.signal('SIGKILL');
      }
    }
    return summary;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Puts the acknowledged appends where their answers say they are. */
function settle(
  appends: readonly Append[],
  expected: Map<string, string[]>,
  summary: { acknowledged: number },
): void {
  for (const { stream, ids, revision } of appends) {
    if (revision === undefined) continue;
    summary.acknowledged++;
    const list = expected.get(stream) ?? [];
    const first = Number(revision) - ids.length + 1;
    for (const [n, id] of ids.entries()) list[first + n] = id;
    expected.set(stream, list);
  }
}

async function verify(
  client: Client,
  expected: Map<string, string[]>,
  unanswered: readonly Append[],
  summary: { presentThoughUnanswered: number; lost: number; duplicated: number; outOfOrder: number },
): Promise<void> {
  const pending = new Map(unanswered.flatMap((append) => append.ids.map((id) => [id, append] as const)));
  const streams = new Set([...expected.keys(), ...unanswered.map((append) => append.stream)]);
  for (const stream of streams) {
    const there = await read(client, stream);
    const wanted = expected.get(stream) ?? [];
    if (new Set(there).size !== there.length) summary.duplicated++;
    for (let revision = 0; revision < Math.max(wanted.length, there.length); revision++) {
      const id = wanted[revision];
      const found = there[revision];
      if (id === undefined) {
        // Written and not answered before the end: whole, or not at all.
        const append = found === undefined ? undefined : pending.get(found);
        if (append === undefined) summary.outOfOrder++;
        else if (append.ids[0] === found) {
          summary.presentThoughUnanswered++;
          const whole = append.ids.every((one, n) => there[revision + n] === one);
          if (!whole) summary.outOfOrder++;
        }
      } else if (found !== id) {
        if (there.includes(id)) summary.outOfOrder++;
        else summary.lost++;
      }
    }
    expected.set(stream, there);
  }
  for (const append of unanswered) {
    const { stream, ids } = append;
    const events = ids.map((id) => db.jsonEvent({ id, type: 'kill', data: { retried: true } }));
    await client.appendToStream(stream, events);
  }
  for (const stream of new Set(unanswered.map((append) => append.stream))) {
    const there = await read(client, stream);
    if (new Set(there).size !== there.length) summary.duplicated++;
    expected.set(stream, there);
  }
}

async function read(client: Client, stream: string): Promise<string[]> {
  try {
    const events = await collect(client.readStream(stream, { maxCount: 1_000_000 }));
    return events.map(({ event }) => event?.id ?? '');
  } catch (error) {
    if (error instanceof db.StreamNotFoundError) return [];
    throw error;
  }
}
