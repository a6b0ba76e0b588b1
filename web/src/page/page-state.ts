import type { CurrentTip, Explanation, TipView } from '@oo/gateway';
import type { Failure } from '../gateway/problem.js';
import { ANSWER_LABELS, type Letter } from '../outbox/outbox.js';

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

/** How the gateway is: there, not to be reached, or answering but not as it should, this many times in a row. */
export type Link =
  | { readonly kind: 'open' }
  | { readonly kind: 'away' }
  | { readonly kind: 'failing'; readonly times: number };

export interface PageState {
  readonly person: Person;
  /** The last that is known; undefined before anything is. */
  readonly current: CurrentTip | undefined;
  /** Tips that were answered here. What the gateway shows may lag behind by a moment. */
  readonly answered: ReadonlySet<string>;
  readonly link: Link;
  /** Answers that are not sent yet. */
  readonly waiting: number;
  /** Answers that were not taken, oldest first, which the person has not been told of for good. */
  readonly refused: readonly Letter[];
  readonly why: Why | undefined;
  readonly trouble: Trouble | undefined;
  /** A button was pressed whose answer is on its way. */
  readonly busy: boolean;
}

export const INITIAL: PageState = {
  person: { kind: 'unknown' },
  current: undefined,
  answered: new Set(),
  link: { kind: 'open' },
  waiting: 0,
  refused: [],
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
      if (state.link.kind === 'open') return { kind: 'loading' };
      return { kind: 'trouble', trouble: state.link.kind === 'away' ? AWAY : FAILING };
    case 'nobody':
      return { kind: 'signed-out' };
    case 'newcomer':
      return { kind: 'begin', name: state.person.name };
    case 'member': {
      const tip = state.current?.tip ?? null;
      if (tip !== null && !state.answered.has(tip.tipId)) return { kind: 'tip', tip };
      // Nobody knows whether there is a tip, so that calm would be a guess.
      if (state.link.kind === 'failing' && state.link.times >= PATIENCE)
        return { kind: 'trouble', trouble: FAILING };
      return state.current === undefined && state.link.kind !== 'away'
        ? { kind: 'loading' }
        : { kind: 'quiet' };
    }
  }
}

/** A device that knows nobody yet needs the network once. */
const AWAY: Trouble = {
  title: 'oO cannot be reached.',
  detail: 'The first time, it needs the network. It goes on by itself once it is there.',
  remedy: 'retry',
};

/** A gateway that has failed this often in a row is not only being started again. */
const PATIENCE = 3;

const FAILING: Trouble = {
  title: 'oO has a problem.',
  detail: 'It answers, but not as it should. It is tried again by itself; nothing of yours is lost.',
  remedy: 'retry',
};

/** A small line below: what is not as it should be, without being in the way. */
export function noteOf(state: PageState): string | undefined {
  const { person, link, waiting } = state;
  if (person.kind !== 'member') return undefined;
  switch (link.kind) {
    case 'away':
      return waiting > 0 ? `Offline. ${KEPT} sent when the network is back.` : 'Offline';
    case 'failing':
      if (waiting > 0) return `oO has a problem. ${KEPT} sent when it is over.`;
      return viewOf(state).kind === 'trouble' ? undefined : 'oO has a problem and is tried again.';
    case 'open':
      // Letters wait only after a try that failed.
      return waiting > 0 ? `${KEPT} tried again.` : undefined;
  }
}

const KEPT = 'Your answer is kept here for up to seven days, and';

/** A line below about the newest answer that was not taken, until it is put away or the next answer is given. */
export function refusalOf({ refused }: PageState): string | undefined {
  const last = refused.at(-1);
  if (last?.what.kind !== 'answer') return undefined;
  const others =
    refused.length > 1
      ? ` ${refused.length - 1} earlier ${refused.length > 2 ? 'ones' : 'one'} neither.`
      : '';
  return `Your answer “${ANSWER_LABELS[last.what.answer]}” was not taken. ${last.refusal ?? ''}${others}`;
}

/** After a call that failed at the network or at the other end. */
export function withFailure(state: PageState, kind: Exclude<Failure['kind'], 'problem'>): PageState {
  if (kind === 'unreachable') return { ...state, link: { kind: 'away' } };
  const times = state.link.kind === 'failing' ? state.link.times + 1 : 1;
  return { ...state, link: { kind: 'failing', times } };
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
