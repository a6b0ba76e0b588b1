import { describe, expect, it } from 'vitest';
import { CheckpointMirror, findCheckpoint } from './checkpoint.js';
import type { Mirrored } from './topic.js';

const nothing = { readAll: async function* () {}, readAllBackwards: async function* () {} };

/** Where a relay goes on that saw `last`, then a stream that ends at `lastSequence`, with this mirror. */
function found(
  last: { position: bigint; sequence: number } | undefined,
  lastSequence: number,
  mirrored?: Mirrored,
) {
  const stream = { created: 'one', lastSequence };
  const kept = { readMirror: async () => mirrored, writeMirror: async () => {} };
  return findCheckpoint(last, stream, new CheckpointMirror(kept, stream), nothing, 0);
}

describe('the checkpoint of a relay', () => {
  it('is the last event of the stream', async () => {
    expect(await found({ position: 70n, sequence: 7 }, 7)).toEqual({ position: 70n, sequence: 7 });
  });

  // Found by the simulation: two relays, one of which began while the other published.
  it('is never newer than its sequence, whatever another relay stores in between', async () => {
    expect(await found({ position: 70n, sequence: 7 }, 8)).toEqual({ position: 70n, sequence: 8 });
  });

  it('is not taken from a stream that lost its end in between', async () => {
    await expect(found({ position: 70n, sequence: 7 }, 6)).rejects.toThrow('ends at 6');
  });

  // Found by the simulation (seed 6569): messages were lost, and others had come to the same sequence.
  it('is what stands in the stream, whatever the mirror says of that sequence', async () => {
    const mirrored = { position: 90n, sequence: 7, stream: 'one' };
    expect(await found({ position: 20n, sequence: 7 }, 7, mirrored)).toEqual({ position: 20n, sequence: 7 });
  });

  it('is the mirrored one while that is about this end of this stream', async () => {
    const mirrored = { position: 90n, sequence: 7, stream: 'one' };
    expect(await found(undefined, 7, mirrored)).toEqual({ position: 90n, sequence: 7 });
    expect(await found({ position: 80n, sequence: 8 }, 8, mirrored)).toEqual({ position: 80n, sequence: 8 });
    const other = { ...mirrored, stream: 'another' };
    expect(await found(undefined, 7, other)).toEqual({ position: undefined, sequence: 7 });
  });
});
