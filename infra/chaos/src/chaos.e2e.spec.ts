import { describe, expect, it } from 'vitest';
import { chaos } from './chaos.js';
import { FAULT_NAMES } from './faults.js';

const OPEN = 'disk full';

describe('the real processes under load', () => {
  it('lose nothing, double nothing and come to rest, whatever of them is killed, cut off or damaged', async () => {
    const said: string[] = [];
    const summary = await chaos({
      rounds: FAULT_NAMES.length - 1,
      seed: 1,
      // An open bug: the relay does not always take a full disk's broker up again. `npm run chaos -- --only "disk full"`.
      without: OPEN,
      say: (line) => said.push(line),
    });
    expect(summary.violation, said.join('\n')).toBeUndefined();
    // Each kind of fault was had, or there is a reason why not.
    const skipped = summary.skipped.map(({ fault }) => fault);
    expect([...Object.keys(summary.faults), ...skipped, OPEN].sort()).toEqual([...FAULT_NAMES].sort());
    expect(summary.signals).toBeGreaterThan(summary.rounds);
    expect(summary.decisions).toBeGreaterThan(0);
  }, 900_000);
});
