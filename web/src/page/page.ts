import type { Gateway } from '../gateway/client.js';
import { type Failure, failureOf } from '../gateway/problem.js';
import type { Memory, Remembered } from '../memory/memory.js';
import { type AnswerName, flush, type Letter, pauseMs, sorted } from '../outbox/outbox.js';
import { deviceKind, utcOffsetMinutes } from '../presence/device.js';
import {
  INITIAL,
  type PageState,
  stillHolding,
  type Trouble,
  viewOf,
  withAnswer,
  withCurrent,
  withFailure,
} from './page-state.js';

/** A stream that is interrupted for less than this has not been missed by anybody. */
const INTERRUPTION_MS = 2_000;

export interface PageParts {
  readonly gateway: Gateway;
  readonly memory: Memory;
  readonly signIn: () => Promise<void>;
  readonly signOut: () => Promise<void>;
}

/** The page's life: who is here, which tip they see, what they answer, and what of it has reached oO. */
export class Page {
  #state: PageState = INITIAL;
  readonly #listeners = new Set<() => void>();
  #stream: { unsubscribe(): void } | undefined;
  #interruption: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  /** How often in a row the stream was ended by the other side before it was open. */
  #streamFailures = 0;
  #connecting: Promise<void> | undefined;
  #flushing: Promise<void> | undefined;
  #answeredAt: string | undefined;
  /** Names the time that the page is visible, from opened to closed. */
  #visit = newKey();
  /** What oO was last told of this page. */
  #told: 'opened' | 'closed' = 'closed';
  readonly #seen = new Set<string>();

  constructor(private readonly parts: PageParts) {}

  readonly state = (): PageState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Shows what this device remembers at once, then what the gateway says. */
  async start(): Promise<void> {
    // What the browser thinks of the network is a hint: a gateway on this machine is there without one.
    for (const change of ['online', 'offline']) addEventListener(change, () => this.#connect());
    document.addEventListener('visibilitychange', () => this.#onVisibility());
    addEventListener('pagehide', () => this.#tell('closed'));
    const remembered = await this.parts.memory.recall();
    if (remembered !== undefined) {
      const { userId, name, answeredAt } = remembered;
      const now = Date.now();
      const { waiting, refused } = await withLock('oo-outbox', () =>
        sorted(this.parts.memory, { userId, now }),
      );
      this.#answeredAt = answeredAt;
      this.#set({
        person: { kind: 'member', userId, name },
        current: stillHolding(remembered.current, now),
        waiting: answersIn(waiting),
        refused,
      });
    }
    await this.#connect();
  }

  /** Tries again what did not work. */
  readonly retry = (): void => {
    this.#set({ trouble: undefined });
    this.#connect();
  };

  readonly signIn = async (): Promise<void> => {
    await this.#whileBusy('Signing in did not work.', this.parts.signIn);
  };

  readonly signOut = async (): Promise<void> => {
    await this.#whileBusy('Signing out did not work.', async () => {
      await this.#tell('closed');
      await this.#flush();
      await this.parts.signOut();
      await this.#leave();
      this.#set({ person: { kind: 'nobody' } });
    });
  };

  /** The newcomer begins. */
  readonly begin = async (): Promise<void> => {
    const { person } = this.#state;
    if (person.kind !== 'newcomer') return;
    await this.#whileBusy('That did not work.', async () => {
      await this.parts.gateway.begin.mutate({ key: newKey() });
      this.#set({ person: { ...person, kind: 'member' } });
      this.#attend();
    });
  };

  /** The tip has been in sight. */
  readonly seen = async (tipId: string): Promise<void> => {
    const letter = this.#shownLetter(tipId);
    if (letter === undefined) return;
    await this.parts.memory.write(letter);
    await this.#flush();
  };

  /** Answers the tip that is shown. It is gone at once; the answer is kept here until oO has it. */
  readonly answer = async (answer: AnswerName): Promise<void> => {
    const view = viewOf(this.#state);
    const { person, current } = this.#state;
    if (view.kind !== 'tip' || person.kind !== 'member' || current === undefined) return;
    const { tipId } = view.tip;
    const shown = this.#shownLetter(tipId);
    const letter: Letter = {
      key: newKey(),
      userId: person.userId,
      tipId,
      what: { kind: 'answer', answer },
      at: Date.now(),
    };
    const before = this.#state;
    this.#replace(withAnswer(before, tipId));
    try {
      if (shown !== undefined) await this.parts.memory.write(shown);
      await this.parts.memory.write(letter, this.#remembered(current));
    } catch {
      this.#replace({ ...before, trouble: NOT_KEPT });
      return;
    }
    await this.putAwayRefusals();
    await this.#flush();
  };

  /** The person has read which answers were not taken. */
  readonly putAwayRefusals = async (): Promise<void> => {
    const { refused } = this.#state;
    this.#set({ refused: [] });
    for (const { key } of refused) await this.parts.memory.remove(key);
  };

  readonly openWhy = async (): Promise<void> => {
    const view = viewOf(this.#state);
    if (view.kind !== 'tip') return;
    const { tipId } = view.tip;
    this.#set({ why: { kind: 'loading' } });
    const why = await this.parts.gateway.why.query({ tipId }).then(
      (explanation) => ({ kind: 'reasons', explanation }) as const,
      (error: unknown) => {
        const detail = wordsOf(failureOf(error), 'The reasons cannot be reached now. Try again later.');
        return { kind: 'trouble', detail } as const;
      },
    );
    // It may have been closed, or the tip may have gone, in the meantime.
    const now = viewOf(this.#state);
    if (this.#state.why !== undefined && now.kind === 'tip' && now.tip.tipId === tipId) this.#set({ why });
  };

  readonly closeWhy = (): void => this.#set({ why: undefined });

  /** Asks who is here, then follows the tip and sends what waits. */
  #connect(): Promise<void> {
    clearTimeout(this.#retry);
    this.#connecting ??= this.#arrive().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #arrive(): Promise<void> {
    try {
      const arrival = await this.parts.gateway.arrive.mutate({ utcOffsetMinutes: utcOffsetMinutes() });
      const { person } = this.#state;
      const isSame = arrival.signedIn && 'userId' in person && person.userId === arrival.userId;
      if (person.kind !== 'unknown' && !isSame) await this.#leave();
      this.#set({ trouble: undefined });
      // Whether all is well with the tips themselves is seen once their stream is open.
      const follows = arrival.signedIn && arrival.consented && document.visibilityState === 'visible';
      if (!follows || this.#state.link.kind === 'away') this.#set({ link: { kind: 'open' } });
      if (!arrival.signedIn) {
        this.#set({ person: { kind: 'nobody' } });
        return;
      }
      const { userId, name, consented } = arrival;
      this.#set({ person: { kind: consented ? 'member' : 'newcomer', userId, name } });
      if (!consented) return;
      this.#attend();
      await this.#flush();
    } catch (error) {
      this.#onFailure(failureOf(error));
    }
  }

  #onFailure(failure: Failure): void {
    if (failure.kind === 'problem' && failure.status !== 429) {
      const { title, detail } = failure;
      this.#set({ trouble: { title, detail, remedy: 'reload' } });
      return;
    }
    this.#replace(withFailure(this.#state, failure.kind === 'problem' ? 'failing' : failure.kind));
    this.#connectLater();
  }

  #connectLater(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), pauseMs(this.#attempt));
    this.#attempt += 1;
    const { link, current } = this.#state;
    if (link.kind !== 'open' && current !== undefined)
      this.#set({ current: stillHolding(current, Date.now()) });
  }

  /** While somebody can see the page, it follows their tip. A hidden one would hold a connection for nobody. */
  #attend(): void {
    if (document.visibilityState !== 'visible') return;
    this.#follow();
    this.#tell('opened');
  }

  /** Opens the stream of the current tip, in place of the one before. */
  #follow(): void {
    this.#unfollow();
    const input = this.#answeredAt === undefined ? {} : { after: this.#answeredAt };
    this.#stream = this.parts.gateway.currentTip.subscribe(input, {
      onData: ({ data: current }) => {
        this.#attempt = 0;
        this.#reached();
        this.#replace(withCurrent(this.#state, current));
        const remembered = this.#remembered(current);
        if (remembered !== undefined) this.parts.memory.remember(remembered).catch(reportLater);
      },
      onConnectionStateChange: ({ state, error }) => {
        if (state === 'pending') this.#reached();
        if (state !== 'connecting' || error === null) return;
        this.#interruption ??= setTimeout(
          () =>
            this.#replace(
              withFailure(this.#state, failureOf(error).kind === 'unreachable' ? 'unreachable' : 'failing'),
            ),
          INTERRUPTION_MS,
        );
      },
      onError: (error) => {
        this.#stream = undefined;
        // A browser gives a stream up when it was answered, but not as a stream. Once, that may be an ended session.
        this.#streamFailures += 1;
        if (this.#streamFailures > 1 && failureOf(error).kind !== 'problem')
          this.#replace(withFailure(this.#state, 'failing'));
        this.#connectLater();
      },
    });
  }

  /** The stream is open (again). */
  #reached(): void {
    clearTimeout(this.#interruption);
    this.#interruption = undefined;
    this.#streamFailures = 0;
    const wasAway = this.#state.link.kind !== 'open';
    if (wasAway) this.#set({ link: { kind: 'open' } });
    if (wasAway || this.#state.waiting > 0) this.#flush().catch(reportLater);
    if (wasAway) this.#tell('opened');
  }

  /** Sends what waits. One at a time, also among several open pages of one browser. */
  async #flush(): Promise<void> {
    const { person } = this.#state;
    if (person.kind !== 'member') return;
    const before = this.#flushing;
    const mine = (async () => {
      await before?.catch(() => undefined);
      const send = () =>
        flush(this.parts.memory, (letter, agoMs) => this.#post(letter, agoMs), {
          userId: person.userId,
          now: Date.now,
          failureOf,
        });
      const { left, refused, revision, signedOut, failure } = await withLock('oo-outbox', send);
      this.#answeredAt = revision ?? this.#answeredAt;
      this.#set({ waiting: answersIn(left), refused });
      if (failure?.kind === 'unreachable') this.#replace(withFailure(this.#state, 'unreachable'));
      if (signedOut || left.length > 0) this.#connectLater();
    })();
    this.#flushing = mine;
    await mine;
  }

  #post({ tipId, what, key }: Letter, agoMs: number): Promise<{ revision: string }> {
    const { gateway } = this.parts;
    return what.kind === 'shown'
      ? gateway.shown.mutate({ tipId, agoMs })
      : gateway.answer.mutate({ tipId, answer: what.answer, agoMs, key });
  }

  /**
   * Says once that the page is open, or closed. An opening that was not heard of is said again when the network is
   * back, by the same name, since it may have been heard after all.
   */
  async #tell(what: 'opened' | 'closed'): Promise<void> {
    if (this.#told === what || this.#state.person.kind !== 'member') return;
    this.#told = what;
    const key = `${what}-${this.#visit}`;
    if (what === 'closed') this.#visit = newKey();
    const signal = { key, agoMs: 0, device: deviceKind(), utcOffsetMinutes: utcOffsetMinutes() };
    try {
      await this.parts.gateway[what].mutate(signal);
    } catch {
      if (key === `opened-${this.#visit}`) this.#told = 'closed';
    }
  }

  #onVisibility(): void {
    if (document.visibilityState === 'visible') {
      this.#connect();
      return;
    }
    this.#unfollow();
    this.#tell('closed');
  }

  #unfollow(): void {
    clearTimeout(this.#interruption);
    this.#interruption = undefined;
    this.#stream?.unsubscribe();
    this.#stream = undefined;
  }

  #shownLetter(tipId: string): Letter | undefined {
    const { person, current } = this.#state;
    if (person.kind !== 'member' || this.#seen.has(tipId) || current?.tip?.shownAt !== null) return undefined;
    this.#seen.add(tipId);
    return { key: newKey(), userId: person.userId, tipId, what: { kind: 'shown' }, at: Date.now() };
  }

  /** What to keep for a start without a network: never a tip that was answered. */
  #remembered({ tip, revision }: Remembered['current']): Remembered | undefined {
    const { person, answered } = this.#state;
    if (person.kind !== 'member') return undefined;
    const { userId, name } = person;
    const current = { tip: tip === null || answered.has(tip.tipId) ? null : tip, revision };
    const answeredAt = this.#answeredAt;
    return { userId, name, current, ...(answeredAt === undefined ? {} : { answeredAt }) };
  }

  /**
   * The person is here no more, and what the page showed them is gone. Letters stay: they have no words in them, and
   * are sent when the same person comes back.
   */
  async #leave(): Promise<void> {
    this.#unfollow();
    this.#answeredAt = undefined;
    this.#told = 'closed';
    this.#seen.clear();
    await this.parts.memory.forgetPerson();
    this.#replace({ ...INITIAL, link: this.#state.link });
  }

  async #whileBusy(title: string, act: () => Promise<void>): Promise<void> {
    if (this.#state.busy) return;
    this.#set({ busy: true });
    try {
      await act();
    } catch (error) {
      const detail = wordsOf(failureOf(error), 'oO cannot be reached. Look to the network and try again.');
      this.#set({ trouble: { title, detail, remedy: 'retry' } satisfies Trouble });
    } finally {
      this.#set({ busy: false });
    }
  }

  #set(change: Partial<PageState>): void {
    this.#replace({ ...this.#state, ...change });
  }

  #replace(state: PageState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

const NOT_KEPT: Trouble = {
  title: 'Your answer was not kept.',
  detail:
    'This device could not store it, and it was not sent. Make room, load the page again and answer once more.',
  remedy: 'reload',
};

function answersIn(letters: readonly Letter[]): number {
  return letters.filter(({ what }) => what.kind === 'answer').length;
}

/** What to say of a failure. @param away what is said where nothing answered */
function wordsOf(failure: Failure, away: string): string {
  switch (failure.kind) {
    case 'problem':
      return failure.detail;
    case 'failing':
      return 'oO has a problem and gives no answer now. Try again in a moment.';
    case 'unreachable':
      return away;
  }
}

/** 128 random bits. `crypto.randomUUID` is missing on an address without TLS. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

async function withLock<Result>(name: string, act: () => Promise<Result>): Promise<Result> {
  return 'locks' in navigator ? navigator.locks.request(name, act) : act();
}

/** An error that nobody waits for is thrown where the browser's console shows it. */
function reportLater(error: unknown): void {
  reportError(error);
}
