import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Log } from '../storage/log.js';
import { NO_BYTES, type ProposedEvent } from '../storage/record.js';
import { RecordReader } from '../storage/record-reader.js';
import { FaultyDisk, random } from '../testing/faulty-disk.js';
import { type Expected, Model } from '../testing/model.js';
import { type AppendResult, EventStore } from './event-store.js';
import { METADATA_TYPE, metastreamOf } from './metadata.js';
import { newEvent } from './new-event.js';

/** Set OO_FC_RUNS to search longer. */
const RUNS = Number(process.env.OO_FC_RUNS ?? 150);
/** Long enough for a machine that does other things too. */
const SLOW_MS = 120_000 + RUNS * 500;
const STREAM = 's-1';

type Command =
  | { readonly op: 'append'; readonly expected: Expected; readonly ids: readonly string[] }
  | { readonly op: 'delete'; readonly expected: Expected; readonly forGood: boolean }
  | { readonly op: 'metadata'; readonly maxCount: number }
  | { readonly op: 'read' };

/** A call of one client: when it began and ended, by a clock that all share, and what was answered. */
interface Call {
  readonly command: Command;
  readonly from: number;
  readonly to: number;
  readonly answer: string;
}

async function openStore(): Promise<EventStore> {
  const log = await Log.open({
    files: new FaultyDisk(random(1)),
    directory: '/data',
    segmentSize: 4096,
    segmentRecords: 1000,
    report: () => {},
  });
  let now = 1_700_000_000_000_000;
  return new EventStore(log, { streamCache: 100, idempotencyWindow: 1000, now: () => ++now });
}

function proposed(id: string): ProposedEvent {
  const bytes = Buffer.alloc(16, 1);
  bytes.write(id.padEnd(16, '_'), 'latin1');
  return { id: bytes, type: 'test', json: true, metadata: NO_BYTES, data: Buffer.alloc(20, 0x61) };
}

const outcome = (result: AppendResult): object =>
  result.kind === 'appended' ? { kind: 'appended', revision: result.revision } : result;

async function perform(store: EventStore, command: Command): Promise<string> {
  const answered = (call: (done: (result: AppendResult) => void) => void): Promise<AppendResult> =>
    new Promise(call);
  switch (command.op) {
    case 'append': {
      const events = command.ids.map(proposed);
      return JSON.stringify(
        outcome(await answered((done) => store.append(STREAM, command.expected, events, done))),
      );
    }
    case 'delete':
      return JSON.stringify(
        outcome(await answered((done) => store.delete(STREAM, command.expected, command.forGood, done))),
      );
    case 'metadata': {
      const event = newEvent(METADATA_TYPE, true, Buffer.from(`{"$maxCount":${command.maxCount}}`));
      const result = await answered((done) => store.append(metastreamOf(STREAM), 'any', [event], done));
      return JSON.stringify(result.kind === 'appended' ? 'ok' : result.kind);
    }
    case 'read': {
      const slice = store.readForwards(STREAM, 0, 1000, new RecordReader(store.log));
      if (slice.state !== 'exists') return JSON.stringify(slice.state);
      return JSON.stringify(
        slice.records.map((record) => ({
          id: record.id.toString('latin1').replace(/_+$/, ''),
          revision: record.revision,
        })),
      );
    }
  }
}

/** What the model answers to a history of commands, each in its turn. */
function replay(commands: readonly Command[]): string {
  const model = new Model();
  let answer = '';
  for (const command of commands) {
    if (command.op === 'append') {
      answer = JSON.stringify(model.append(STREAM, command.expected, command.ids));
    } else if (command.op === 'delete') {
      answer = JSON.stringify(model.delete(STREAM, command.expected, command.forGood));
    } else if (command.op === 'metadata') {
      answer = JSON.stringify(model.setMetadata(STREAM, { maxCount: command.maxCount }));
    } else {
      answer = JSON.stringify(model.read(STREAM));
    }
  }
  return answer;
}

/**
 * Looks for an order of the calls in which each gets the answer that it got, and none comes before one that had ended
 * when it began (Wing and Gong, "Testing and Verifying Concurrent Objects", 1993).
 */
function isLinearizable(calls: readonly Call[]): boolean {
  const dead = new Set<string>();
  const search = (done: readonly Call[], left: readonly Call[]): boolean => {
    if (left.length === 0) return true;
    const key = done.map((call) => calls.indexOf(call)).join();
    if (dead.has(key)) return false;
    const firstEnd = Math.min(...left.map((call) => call.to));
    for (const call of left) {
      if (call.from > firstEnd) continue;
      if (replay([...done, call].map(({ command }) => command)) !== call.answer) continue;
      if (
        search(
          [...done, call],
          left.filter((other) => other !== call),
        )
      ) {
        return true;
      }
    }
    dead.add(key);
    return false;
  };
  return search([], calls);
}

const expectedRevision = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Expected>('any') },
  { weight: 2, arbitrary: fc.constantFrom<Expected>('no_stream', 'stream_exists') },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 4 }) },
);

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('append' as const),
      expected: expectedRevision,
      ids: fc.array(fc.integer({ min: 0, max: 9 }).map(String), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ op: 'read' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('delete' as const),
      expected: expectedRevision,
      forGood: fc.nat(4).map((n) => n === 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('metadata' as const), maxCount: fc.integer({ min: 1, max: 3 }) }),
  },
);

describe('concurrent clients of one stream', () => {
  it(
    'see what one client after the other could have seen',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(command, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 4 }),
          async (clients) => {
            const store = await openStore();
            const calls: Call[] = [];
            let clock = 0;
            await Promise.all(
              clients.map(async (commands) => {
                for (const one of commands) {
                  const from = ++clock;
                  const answer = await perform(store, one);
                  calls.push({ command: one, from, to: ++clock, answer });
                }
              }),
            );
            await store.log.close();
            expect(isLinearizable(calls), JSON.stringify(calls)).toBe(true);
          },
        ),
        { numRuns: RUNS },
      );
    },
    SLOW_MS,
  );

  it('are told apart from clients that saw something else', () => {
    const write: Call = {
      command: { op: 'append', expected: 'any', ids: ['1'] },
      from: 1,
      to: 2,
      answer: '{"kind":"appended","revision":0}',
    };
    const stale: Call = { command: { op: 'read' }, from: 3, to: 4, answer: '"missing"' };
    expect(isLinearizable([write, stale])).toBe(false);
    expect(isLinearizable([write, { ...stale, from: 1 }])).toBe(true);
  });
});
