import { expect, it } from 'vitest';
import { FaultyDisk, random } from '../testing/faulty-disk.js';
import type { FileHandle } from './files.js';
import { encodeIndex, OpenIndex, SealedIndex, streamKey } from './segment-index.js';

const BASE = 1000;

it('a sealed index finds each of its streams with about one read, and none that it does not have', async () => {
  for (const streams of [1, 63, 64, 65, 5000]) {
    const open = new OpenIndex(BASE);
    let position = BASE + 64;
    const add = (n: number, revision: number, tombstone: boolean): void => {
      open.add(`s-${n}`, revision, position, tombstone, n, n);
      position += 100;
    };
    // Each stream twice, the second time in another order.
    for (let n = 0; n < streams; n++) add(n, 7, false);
    for (let n = streams - 1; n >= 0; n--) add(n, 8, n % 5 === 0);
    const handle = new FaultyDisk(random(1)).open('/index', 'create');
    handle.write(await encodeIndex(open, position), 0);
    let reads = 0;
    const counted: FileHandle = {
      ...handle,
      size: () => handle.size(),
      read: (target, at) => {
        reads++;
        return handle.read(target, at);
      },
    };
    const sealed = SealedIndex.open(counted, BASE, position);
    if (typeof sealed === 'string') throw new Error(sealed);
    expect(sealed.verify()).toBe(true);
    sealed.find(streamKey('s-0'));
    reads = 0;
    for (let n = 0; n < streams; n++) {
      const expected = open.streams.get(`s-${n}`);
      expect(sealed.find(streamKey(`s-${n}`))).toMatchObject({
        first: 7,
        count: expected?.count,
        tombstoned: n % 5 === 0,
      });
    }
    // The first stream of a block is looked for in the one before it too.
    expect(reads).toBeLessThanOrEqual(streams + Math.ceil(streams / 64));
    for (let n = 0; n < streams; n += 3) {
      const expected = open.streams.get(`s-${n}`);
      const found = sealed.find(streamKey(`s-${n}`));
      expect(found?.positionAt(0)).toBe(expected?.positionAt(0));
      expect(found?.last).toBe(expected?.last);
    }
    for (let n = 0; n < 2000; n++) expect(sealed.find(streamKey(`missing-${n}`))).toBeUndefined();
  }
});
