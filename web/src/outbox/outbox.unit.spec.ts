import { ANSWER_WINDOW_MS } from '@oo/contracts/answer-window';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Failure } from '../gateway/problem.js';
import { flush, type Letter, type LetterStore, type Post, pauseMs, sorted, TOO_LATE } from './outbox.js';

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
  replace = async (letter: Letter) => {
    this.lying = this.lying.map((known) => (known.key === letter.key ? letter : known));
  };
}

class Refusal extends Error {
  constructor(readonly failure: Failure) {
    super();
  }
}
const refused = (status: number, kind = 'x') =>
  new Refusal({
    kind: 'problem',
    type: `urn:oo:problem:${kind}`,
    status,
    title: 'T',
    detail: `Why ${kind}.`,
  });
const failing = new Refusal({ kind: 'failing' });
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
    expect(result).toEqual({ left: [], refused: [], revision: '2', signedOut: false });
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
    ['a gateway that fails', failing],
    ['too many requests', refused(429)],
    ['others who wrote just then', refused(409, 'conflict')],
  ])('keeps this letter and all behind it: %s', async (_name, error) => {
    const store = new Drawer([letter('a'), letter('b'), letter('c')]);
    const result = await send(store, async ({ key }) => {
      if (key === 'b') throw error;
      return { revision: '7' };
    });
    expect(result).toEqual({
      left: [letter('b'), letter('c')],
      refused: [],
      revision: '7',
      signedOut: false,
      failure: error.failure,
    });
    expect((await store.letters()).map(({ key }) => key)).toEqual(['b', 'c']);
  });

  it('keeps an answer that was refused for good, with the reason, sends it no more, and goes on', async () => {
    const store = new Drawer([letter('a'), letter('b')]);
    const sent: string[] = [];
    const post: Post = async ({ key }) => {
      sent.push(key);
      if (key === 'a') throw refused(409, 'already-answered');
      return { revision: '7' };
    };
    const told = [{ ...letter('a'), refusal: 'Why already-answered.' }];
    expect(await send(store, post)).toEqual({ left: [], refused: told, revision: '7', signedOut: false });
    expect(await store.letters()).toEqual(told);
    expect(await send(store, post)).toEqual({ left: [], refused: told, signedOut: false });
    expect(sent).toEqual(['a', 'b']);
  });

  it('tells nothing of a showing that was refused', async () => {
    const store = new Drawer([{ ...letter('a'), what: { kind: 'shown' } }]);
    const result = await send(store, async () => {
      throw refused(404, 'unknown-tip');
    });
    expect(result).toEqual({ left: [], refused: [], signedOut: false });
    expect(await store.letters()).toEqual([]);
  });

  it('refuses an answer that has grown too old to be taken, without sending it', async () => {
    const [late, intime] = [letter('late', 'ada', 0), letter('in time', 'ada', 1)];
    const store = new Drawer([late, intime]);
    const now = ANSWER_WINDOW_MS + 1;
    const refused = [{ ...late, refusal: TOO_LATE }];
    expect(await sorted(store, { userId: 'ada', now })).toEqual({ waiting: [intime], refused });
    const sent: string[] = [];
    const post: Post = async ({ key }) => {
      sent.push(key);
      return { revision: '1' };
    };
    const result = await send(store, post, 'ada', () => now);
    expect(sent).toEqual(['in time']);
    expect(result).toEqual({ left: [], refused, revision: '1', signedOut: false });
  });

  it('keeps everything when the session has ended, and says so', async () => {
    const store = new Drawer([letter('a'), letter('b')]);
    const result = await send(store, async () => {
      throw refused(401);
    });
    expect(result).toMatchObject({ left: [letter('a'), letter('b')], refused: [], signedOut: true });
  });

  it('neither sends nor loses what somebody else left on this device', async () => {
    const sent: string[] = [];
    const store = new Drawer([letter('a', 'bob'), letter('b')]);
    const result = await send(store, async ({ key }) => {
      sent.push(key);
      return { revision: '1' };
    });
    expect(sent).toEqual(['b']);
    expect(result.left).toEqual([]);
    expect(await store.letters()).toEqual([letter('a', 'bob')]);
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
          const refusals = new Set<string>();
          const post: Post = async ({ key }) => {
            expect(settled.has(key)).toBe(false);
            const next = outcomes.shift() ?? 'recorded';
            if (next === 'unreachable') throw unreachable;
            if (next !== 'refused') recorded.add(key);
            if (next === 'recorded but unheard') throw unreachable;
            settled.add(key);
            if (next === 'refused') {
              refusals.add(key);
              throw refused(404, 'unknown-tip');
            }
            return { revision: '1' };
          };
          while ((await send(store, post)).left.length > 0);
          expect(settled.size).toBe(count);
          // Each answer was taken, or its person is told that it was not.
          const told = (await store.letters()).map(({ key }) => key);
          expect(new Set(told)).toEqual(refusals);
        },
      ),
    );
  });

  it('waits longer from try to try, a minute at the most', () => {
    expect([0, 1, 2, 5, 6, 40].map(pauseMs)).toEqual([1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
  });
});
