import { ANSWER_WINDOW_MS } from '@oo/contracts/answer-window';
import { type Failure, fateOf } from '../gateway/problem.js';

/** The answers that a tip takes, and what the person reads for them. */
export const ANSWER_LABELS = { done: 'Done', later: 'Later', no: 'No' } as const;
export type AnswerName = keyof typeof ANSWER_LABELS;

/** Something that happened on this device and has to reach oO, now or when the network is back. */
export interface Letter {
  /** Its own id: sent twice, it counts once. */
  readonly key: string;
  readonly userId: string;
  readonly tipId: string;
  readonly what: { readonly kind: 'shown' } | { readonly kind: 'answer'; readonly answer: AnswerName };
  /** When it happened, by the device's clock (milliseconds since 1970). */
  readonly at: number;
  /** Why it was not taken, in words. It is not sent again, and lies here until its person has read that. */
  readonly refusal?: string;
}

/** Where letters lie until they are sent, in the order in which they were written. */
export interface LetterStore {
  letters(): Promise<Letter[]>;
  remove(key: string): Promise<void>;
  /** Puts this in the place of the letter with the same key; nothing where there is none any more. */
  replace(letter: Letter): Promise<void>;
}

/** Sends one letter and gives the revision that it was recorded at. */
export type Post = (letter: Letter, agoMs: number) => Promise<{ readonly revision: string }>;

export interface Flushed {
  /** Letters that are still to be sent. */
  readonly left: readonly Letter[];
  /** Letters that were not taken, now or before. */
  readonly refused: readonly Letter[];
  /** The newest revision that came back. */
  readonly revision?: string;
  /** Nobody is signed in any more. */
  readonly signedOut: boolean;
  /** What the letter failed by that could not be sent now. */
  readonly failure?: Failure;
}

/** What is told of a letter that has grown too old, before it is sent in vain. */
export const TOO_LATE = 'It waited here for more than seven days, and a tip takes no answer after that.';

/**
 * Sends what lies here, oldest first, and stops at the first letter that cannot be sent now. A letter is removed
 * only once the gateway has recorded it, so none is lost; its key makes a second sending harmless. An answer that is
 * refused for good stays, with the reason.
 */
export async function flush(
  store: LetterStore,
  post: Post,
  { userId, now, failureOf }: { userId: string; now: () => number; failureOf: (error: unknown) => Failure },
): Promise<Flushed> {
  const { waiting, refused: refusedBefore } = await sorted(store, { userId, now: now() });
  const refused = [...refusedBefore];
  let revision: string | undefined;
  let sent = 0;
  let failure: Failure | undefined;
  for (const letter of waiting) {
    try {
      revision = (await post(letter, Math.max(0, now() - letter.at))).revision;
    } catch (error) {
      failure = failureOf(error);
    }
    if (failure === undefined) {
      await store.remove(letter.key);
    } else {
      if (failure.kind !== 'problem' || fateOf(failure) !== 'refused') break;
      refused.push(...(await refuse(store, letter, failure.detail)));
      failure = undefined;
    }
    sent += 1;
  }
  return {
    left: waiting.slice(sent),
    refused,
    signedOut: failure !== undefined && fateOf(failure) === 'sign-in',
    ...(revision === undefined ? {} : { revision }),
    ...(failure === undefined ? {} : { failure }),
  };
}

/**
 * What lies here of a person: to be sent, and refused. What has grown too old to be taken is refused here. What
 * somebody else left on this device is not theirs to send, and waits for whose it is.
 */
export async function sorted(
  store: LetterStore,
  { userId, now }: { userId: string; now: number },
): Promise<{ readonly waiting: readonly Letter[]; readonly refused: readonly Letter[] }> {
  const [waiting, refused]: [Letter[], Letter[]] = [[], []];
  for (const letter of await store.letters()) {
    if (letter.userId !== userId) continue;
    if (letter.refusal !== undefined) refused.push(letter);
    else if (now - letter.at > ANSWER_WINDOW_MS) refused.push(...(await refuse(store, letter, TOO_LATE)));
    else waiting.push(letter);
  }
  return { waiting, refused };
}

/** That a tip was seen is nothing that its person gave; they miss nothing when it goes. */
async function refuse(store: LetterStore, letter: Letter, refusal: string): Promise<Letter[]> {
  if (letter.what.kind !== 'answer') {
    await store.remove(letter.key);
    return [];
  }
  const refused = { ...letter, refusal };
  await store.replace(refused);
  return [refused];
}

/** How long to wait before the next try: 1 s, 2 s, 4 s and so on, at most a minute. @param attempt from 0 */
export function pauseMs(attempt: number): number {
  return Math.min(60_000, 1_000 * 2 ** attempt);
}
