import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Failure } from '../gateway/problem.js';
import { flush, type Letter, type LetterStore, type Post, pauseMs } from './outbox.js';

const letter = (key: string, userId = 'ada', at = 0): Letter => ({
  key,
  userId,
  tipId: 'tip',
  what: { kind: 'answer', answer: 'done' },
  at,
});

class Drawer implements LetterStore {
  constructor(private lying: Letter[]) {}
  letters = async () => [...this.lying];
  remove = async (key: string) => {
    this.lying = this.lying.filter((known) => known.key !== key);
  };
}

class Refusal extends Error {
  constructor(readonly failure: Failure) {
    super();
  }
}
const refused = (status: number) => new Refusal({ kind: 'problem', status, title: '', detail: '' });
const unreachable = new Refusal({ kind: 'unreachable' });
const failureOf = (error: unknown): Failure => (error as Refusal).failure;

const send = (store: LetterStore, post: Post, userId = 'ada', now = () => 5_000) =>
  flush(store, post, { userId, now, failureOf });

describe('the outbox', () => {
  it('sends in the order of writing, each with its age, and keeps nothing that was sent', async () => {
    const sent: [string, number][] = [];
    const store = new Drawer([letter('a', 'ada', 1_000), letter('b', 'ada', 4_000)]);
    const result = await send(store, async ({ key }, agoMs) => {
      sent.push([key, agoMs]);
      return { revision: String(sent.length) };
    });
    expect(sent).toEqual([
      ['a', 4_000],
      ['b', 1_000],
    ]);
    expect(result).toEqual({ left: 0, revision: '2', signedOut: false, unreachable: false });
    expect(await store.letters()).toEqual([]);
  });

  it('never gives an age below zero, when the device’s clock was set back', async () => {
    const ages: number[] = [];
    await send(new Drawer([letter('a', 'ada', 9_000)]), async (_letter, agoMs) => {
      ages.push(agoMs);
      return { revision: '0' };
    });
    expect(ages).toEqual([0]);
  });

  it.each([
    ['no network', unreachable],
    ['a gateway that cannot now', refused(503)],
    ['too many requests', refused(429)],
  ])('keeps this letter and all behind it: %s', async (_name, error) => {
    const store = new Drawer([letter('a'), letter('b'), letter('c')]);
    const result = await send(store, async ({ key }) => {
      if (key === 'b') throw error;
      return { revision: '7' };
    });
    expect(result).toEqual({ left: 2, revision: '7', signedOut: false, unreachable: error === unreachable });
    expect((await store.letters()).map(({ key }) => key)).toEqual(['b', 'c']);
  });

  it('drops what was refused for good and goes on', async () => {
    const store = new Drawer([letter('a'), letter('b')]);
    const result = await send(store, async ({ key }) => {
      if (key === 'a') throw refused(409);
      return { revision: '7' };
    });
    expect(result).toEqual({ left: 0, revision: '7', signedOut: false, unreachable: false });
  });

  it('keeps everything when the session has ended, and says so', async () => {
    const store = new Drawer([letter('a'), letter('b')]);
    const result = await send(store, async () => {
      throw refused(401);
    });
    expect(result).toEqual({ left: 2, signedOut: true, unreachable: false });
  });

  it('does not send what somebody else left on this device', async () => {
    const sent: string[] = [];
    const store = new Drawer([letter('a', 'bob'), letter('b')]);
    await send(store, async ({ key }) => {
      sent.push(key);
      return { revision: '1' };
    });
    expect(sent).toEqual(['b']);
    expect(await store.letters()).toEqual([]);
  });

  it('loses no letter and sends none after it was recorded, however the network breaks', async () => {
    const outcome = fc.constantFrom('recorded', 'recorded but unheard', 'unreachable', 'refused');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.array(outcome, { maxLength: 40 }),
        async (count, outcomes) => {
          const store = new Drawer(Array.from({ length: count }, (_, index) => letter(String(index))));
          const recorded = new Set<string>();
          const settled = new Set<string>();
          const post: Post = async ({ key }) => {
            expect(settled.has(key)).toBe(false);
            const next = outcomes.shift() ?? 'recorded';
            if (next === 'unreachable') throw unreachable;
            if (next !== 'refused') recorded.add(key);
            if (next === 'recorded but unheard') throw unreachable;
            settled.add(key);
            if (next === 'refused') throw refused(404);
            return { revision: '1' };
          };
          while ((await send(store, post)).left > 0);
          expect(settled.size).toBe(count);
        },
      ),
    );
  });

  it('waits longer from try to try, a minute at the most', () => {
    expect([0, 1, 2, 5, 6, 40].map(pauseMs)).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
  });
});
