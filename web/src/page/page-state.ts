import type { CurrentTip, Explanation, TipView } from '@oo/gateway';

/** Who is at the page. `unknown` until the gateway or this device's memory has said so. */
export type Person =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'newcomer'; readonly userId: string; readonly name: string }
  | { readonly kind: 'member'; readonly userId: string; readonly name: string };

/** Something that did not work, and what can be done about it. */
export interface Trouble {
  readonly title: string;
  readonly detail: string;
  readonly remedy: 'retry' | 'reload' | 'none';
}

export type Why =
  | { readonly kind: 'loading' }
  | { readonly kind: 'reasons'; readonly explanation: Explanation }
  | { readonly kind: 'trouble'; readonly detail: string };

export interface PageState {
  readonly person: Person;
  /** The last that is known; undefined before anything is. */
  readonly current: CurrentTip | undefined;
  /** Tips that were answered here. What the gateway shows may lag behind by a moment. */
  readonly answered: ReadonlySet<string>;
  /** Whether the gateway can be reached. */
  readonly reachable: boolean;
  /** Letters that are not sent yet. */
  readonly waiting: number;
  readonly why: Why | undefined;
  readonly trouble: Trouble | undefined;
  /** A button was pressed whose answer is on its way. */
  readonly busy: boolean;
}

export const INITIAL: PageState = {
  person: { kind: 'unknown' },
  current: undefined,
  answered: new Set(),
  reachable: true,
  waiting: 0,
  why: undefined,
  trouble: undefined,
  busy: false,
};

/** What the page shows. One thing at a time. */
export type View =
  | { readonly kind: 'loading' }
  | { readonly kind: 'trouble'; readonly trouble: Trouble }
  | { readonly kind: 'signed-out' }
  | { readonly kind: 'begin'; readonly name: string }
  | { readonly kind: 'tip'; readonly tip: TipView }
  | { readonly kind: 'quiet' };

export function viewOf(state: PageState): View {
  if (state.trouble !== undefined) return { kind: 'trouble', trouble: state.trouble };
  switch (state.person.kind) {
    case 'unknown':
      return state.reachable ? { kind: 'loading' } : { kind: 'trouble', trouble: AWAY };
    case 'nobody':
      return { kind: 'signed-out' };
    case 'newcomer':
      return { kind: 'begin', name: state.person.name };
    case 'member': {
      if (state.current === undefined) return state.reachable ? { kind: 'loading' } : { kind: 'quiet' };
      const { tip } = state.current;
      return tip === null || state.answered.has(tip.tipId) ? { kind: 'quiet' } : { kind: 'tip', tip };
    }
  }
}

/** A device that knows nobody yet needs the network once. */
const AWAY: Trouble = {
  title: 'oO cannot be reached.',
  detail: 'The first time, it needs the network. It goes on by itself once it is there.',
  remedy: 'retry',
};

/** A small line below: what is not as it should be, without being in the way. */
export function noteOf({ person, reachable, waiting }: PageState): string | undefined {
  if (person.kind !== 'member') return undefined;
  if (!reachable && waiting > 0) return 'Offline. Your answer is kept, and sent when the network is back.';
  if (!reachable) return 'Offline';
  // Letters wait only after a try that failed.
  return waiting > 0 ? 'Your answer is kept here, and tried again.' : undefined;
}

/** A newer state of the person's tips, unless what is known is newer: streams may overlap for a moment. */
export function withCurrent(state: PageState, current: CurrentTip): PageState {
  if (state.current !== undefined && BigInt(current.revision) < BigInt(state.current.revision)) return state;
  const isOther = current.tip?.tipId !== state.current?.tip?.tipId;
  return { ...state, current, ...(isOther ? { why: undefined } : {}) };
}

/**
 * What is left of it at a time by the device's clock (milliseconds since 1970): a tip that holds no longer is gone. For
 * a page without a network; to one with it the gateway says so, by its own clock.
 */
export function stillHolding(current: CurrentTip, now: number): CurrentTip {
  return current.tip !== null && Date.parse(current.tip.holdsUntil) <= now
    ? { ...current, tip: null }
    : current;
}

/** The tip is gone at once, whatever the network says. */
export function withAnswer(state: PageState, tipId: string): PageState {
  return { ...state, answered: new Set([...state.answered, tipId]), why: undefined };
}
