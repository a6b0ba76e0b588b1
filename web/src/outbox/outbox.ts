import { type Failure, type Fate, fateOf } from '../gateway/problem.js';

export type AnswerName = 'done' | 'later' | 'no';

/** Something that happened on this device and has to reach oO, now or when the network is back. */
export interface Letter {
  /** Its own id: sent twice, it counts once. */
  readonly key: string;
  readonly userId: string;
  readonly tipId: string;
  readonly what: { readonly kind: 'shown' } | { readonly kind: 'answer'; readonly answer: AnswerName };
  /** When it happened, by the device's clock (milliseconds since 1970). */
  readonly at: number;
}

/** Where letters lie until they are sent, in the order in which they were written. */
export interface LetterStore {
  letters(): Promise<Letter[]>;
  remove(key: string): Promise<void>;
}

/** Sends one letter and gives the revision that it was recorded at. */
export type Post = (letter: Letter, agoMs: number) => Promise<{ readonly revision: string }>;

export interface Flushed {
  /** Letters that still lie here. */
  readonly left: number;
  /** The newest revision that came back. */
  readonly revision?: string;
  /** Nobody is signed in any more. */
  readonly signedOut: boolean;
  /** A letter did not get there at all. */
  readonly unreachable: boolean;
}

/**
 * Sends what lies here, oldest first, and stops at the first letter that cannot be sent now. A letter is removed
 * only once the gateway has recorded or refused it, so none is lost; its key makes a second sending harmless.
 */
export async function flush(
  store: LetterStore,
  post: Post,
  { userId, now, failureOf }: { userId: string; now: () => number; failureOf: (error: unknown) => Failure },
): Promise<Flushed> {
  const letters = await store.letters();
  let revision: string | undefined;
  let removed = 0;
  let fate: Fate | undefined;
  let unreachable = false;
  for (const letter of letters) {
    // What somebody else left on this device is not theirs to send.
    if (letter.userId === userId) {
      fate = undefined;
      try {
        revision = (await post(letter, Math.max(0, now() - letter.at))).revision;
      } catch (error) {
        const failure = failureOf(error);
        fate = fateOf(failure);
        unreachable = failure.kind === 'unreachable';
      }
      if (fate === 'keep' || fate === 'sign-in') break;
    }
    await store.remove(letter.key);
    removed += 1;
  }
  return {
    left: letters.length - removed,
    signedOut: fate === 'sign-in',
    unreachable,
    ...(revision === undefined ? {} : { revision }),
  };
}

/** How long to wait before the next try: 1 s, 2 s, 4 s and so on, at most a minute. @param attempt from 0 */
export function pauseMs(attempt: number): number {
  return Math.min(60_000, 1_000 * 2 ** attempt);
}
