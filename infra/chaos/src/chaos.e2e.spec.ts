import { describe, expect, it } from 'vitest';
import { chaos } from './chaos.js';
import { FAULT_NAMES } from './faults.js';

describe('the real processes under load', () => {
  it('lose nothing, double nothing and come to rest, whatever of them is killed, cut off or damaged', async () => {
    const said: string[] = [];
    const summary = await chaos({
      rounds: FAULT_NAMES.length,
      seed: 1,
      say: (line) => said.push(line),
    });
    expect(summary.violation, said.join('\n')).toBeUndefined();
    // Each kind of fault was had, or there is a reason why not.
    const skipped = summary.skipped.map(({ fault }) => fault);
    expect([...Object.keys(summary.faults), ...skipped].sort()).toEqual([...FAULT_NAMES].sort());
    expect(summary.signals).toBeGreaterThan(summary.rounds);
    expect(summary.decisions).toBeGreaterThan(0);
  }, 900_000);
});
