import type { NatsConnection } from '@nats-io/transport-node';
import { changedSubject, epochMs, ProblemError, problem, streamOf, type UserId } from '@oo/contracts';
import { type Clock, inSpan, traceparentIn } from '@oo/event-sourcing';
import { currentTip, type ReadModels, waitFor } from '@oo/projections';
import type { Log } from '@oo/service-host';
import type { CurrentTip } from './current-tip.js';
import type { TipTexts } from './tip-texts.js';
import { Wakeups } from './wakeups.js';

/** A hint may be lost, since it is no fact; the row itself is looked at this often. */
const LOOK_AGAIN_MS = 30_000;
/** The same while the row or the words could not be had. */
const LOOK_SOON_MS = 5_000;
/** Without a hint it looks no sooner than this: a clock that is steered may stand just before a tip's end. */
const SOONEST_MS = 250;
const WAIT_MS = 2_000;
/** Open pages of one person that are told of changes. */
const MAX_FOLLOWERS = 16;

export interface Followed {
  /** Stands for this very content; what has been seen is not sent again after a reconnect. */
  readonly id: string;
  readonly current: CurrentTip;
}

/** The tip that a person has now, with its words, once or as it changes. */
export class CurrentTips {
  /** What wakes the open pages, by person. */
  readonly #followers = new Map<UserId, Set<Wakeups>>();

  constructor(
    private readonly nats: NatsConnection,
    private readonly sql: ReadModels,
    private readonly texts: TipTexts,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.#wakeOnReconnect();
  }

  /**
   * A tip is shown for as long as its decision holds. That it expires is recorded some minutes later, since an answer
   * that was given in time may still be on its way.
   * @param after a revision that the answer has to show; waits for it up to `timeoutMs`
   * @throws ProblemError `unavailable` when it is not there by then
   */
  async of(user: UserId, after?: bigint, timeoutMs = WAIT_MS): Promise<CurrentTip> {
    if (after !== undefined) {
      const target = { stream: streamOf('tips', user), revision: after };
      if ((await waitFor(this.sql, 'current-tip', target, timeoutMs)) !== 'reached') {
        throw new ProblemError(
          problem('unavailable', `The tip at revision ${after} is not here yet. Ask again in a moment.`),
        );
      }
    }
    const { tip, revision } = await currentTip(this.sql, user);
    if (tip === null || this.#msLeft(tip) <= 0) return { tip: null, revision: String(revision) };
    const words = await this.texts.of(user, tip.kind, tip.ref);
    return { tip: { ...tip, ...words }, revision: String(revision) };
  }

  /**
   * The tip now, and again whenever it changes, until `signal` aborts.
   * @param seen the id of what the page has already
   * @param after a revision that the first answer should show
   * @throws ProblemError `too-many-requests` when the person has too many pages open
   */
  async *follow(
    user: UserId,
    signal: AbortSignal,
    { seen, after }: { seen?: string | undefined; after?: bigint | undefined },
  ): AsyncGenerator<Followed> {
    const followers = this.#followers.get(user) ?? new Set();
    if (followers.size >= MAX_FOLLOWERS) {
      throw new ProblemError(
        problem('too-many-requests', `${followers.size} pages are open. Close one of them.`),
      );
    }
    const wakeups = new Wakeups();
    const wake = () => wakeups.wake();
    followers.add(wakeups);
    this.#followers.set(user, followers);
    signal.addEventListener('abort', wake);
    // Subscribed before the first look, so that nothing falls between.
    let hinted: string | undefined;
    const hints = this.nats.subscribe(changedSubject('current-tip', user), {
      callback: (_, message) => {
        hinted = traceparentIn(message);
        wake();
      },
    });
    try {
      let last = seen;
      let wanted = after;
      while (!signal.aborted) {
        const parent = hinted;
        hinted = undefined;
        const look = () => this.#look(user, wanted);
        const current = await (parent === undefined
          ? look()
          : inSpan('show on the page', { kind: 'internal', parent }, look));
        if (current !== undefined) {
          wanted = undefined;
          const id = idOf(current);
          if (id !== last) yield { id, current };
          last = id;
        }
        const isWhole = current !== undefined && current.tip?.text !== 'unreachable';
        const left = current?.tip ? this.#msLeft(current.tip) : LOOK_AGAIN_MS;
        await wakeups.next(Math.max(SOONEST_MS, Math.min(isWhole ? LOOK_AGAIN_MS : LOOK_SOON_MS, left)));
      }
    } finally {
      hints.unsubscribe();
      signal.removeEventListener('abort', wake);
      followers.delete(wakeups);
      if (followers.size === 0) this.#followers.delete(user);
    }
  }

  #msLeft({ holdsUntil }: { readonly holdsUntil: string }): number {
    return epochMs(holdsUntil) - epochMs(this.clock.now());
  }

  /** Hints that were sent while the broker was away did not arrive. */
  async #wakeOnReconnect(): Promise<void> {
    for await (const { type } of this.nats.status()) {
      if (type !== 'reconnect') continue;
      for (const followers of this.#followers.values()) for (const wakeups of followers) wakeups.wake();
    }
  }

  /** A read model that cannot be read now is looked at again, as long as the page is open. */
  async #look(user: UserId, after: bigint | undefined): Promise<CurrentTip | undefined> {
    try {
      return await this.of(user, after);
    } catch (err) {
      this.log.warn({ err }, 'the current tip could not be read; it is tried again');
      return undefined;
    }
  }
}

function idOf({ revision, tip }: CurrentTip): string {
  return `${revision}.${tip === null ? 'none' : tip.text}`;
}
