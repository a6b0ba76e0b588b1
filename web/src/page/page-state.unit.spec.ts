import type { CurrentTip, TipView } from '@oo/gateway';
import { describe, expect, it } from 'vitest';
import type { AnswerName, Letter } from '../outbox/outbox.js';
import {
  INITIAL,
  type Link,
  noteOf,
  type PageState,
  refusalOf,
  stillHolding,
  viewOf,
  withAnswer,
  withCurrent,
  withFailure,
} from './page-state.js';

const tip = (tipId: string): TipView => ({
  tipId,
  kind: 'todo',
  ref: 'demo:task:1',
  text: 'here',
  title: 'Call Ada',
  body: '',
  url: '',
  proposedAt: '2026-01-05T08:00:00Z',
  holdsUntil: '2026-01-05T10:00:00Z',
  shownAt: null,
});
const at = (revision: number, tipId?: string): CurrentTip => ({
  revision: String(revision),
  tip: tipId === undefined ? null : tip(tipId),
});
const away: Link = { kind: 'away' };
const failing = (times: number): Link => ({ kind: 'failing', times });
const member: PageState = { ...INITIAL, person: { kind: 'member', userId: 'u', name: 'Ada' } };

describe('the page shows one thing', () => {
  it.each<[string, PageState, string]>([
    ['nothing is known yet', INITIAL, 'loading'],
    ['nothing is known and there is no network', { ...INITIAL, link: away }, 'trouble'],
    ['nothing is known and the gateway fails', { ...INITIAL, link: failing(1) }, 'trouble'],
    ['nobody is signed in', { ...INITIAL, person: { kind: 'nobody' } }, 'signed-out'],
    ['a newcomer', { ...INITIAL, person: { kind: 'newcomer', userId: 'u', name: 'Ada' } }, 'begin'],
    ['the tip is on its way', member, 'loading'],
    ['a tip', { ...member, current: at(3, 'a') }, 'tip'],
    ['a tip without a network', { ...member, current: at(3, 'a'), link: away }, 'tip'],
    ['a tip and a gateway that fails and fails', { ...member, current: at(3, 'a'), link: failing(9) }, 'tip'],
    ['no tip', { ...member, current: at(3) }, 'quiet'],
    ['no tip known and no network', { ...member, link: away }, 'quiet'],
    ['no tip and a gateway that has just failed', { ...member, current: at(3), link: failing(2) }, 'quiet'],
    ['no tip and a gateway that fails and fails', { ...member, current: at(3), link: failing(3) }, 'trouble'],
    ['no tip known and a gateway that has just failed', { ...member, link: failing(2) }, 'loading'],
    ['no tip known and a gateway that fails and fails', { ...member, link: failing(3) }, 'trouble'],
    [
      'something did not work',
      { ...member, current: at(3, 'a'), trouble: { title: 't', detail: 'd', remedy: 'none' } },
      'trouble',
    ],
  ])('%s', (_name, state, kind) => {
    expect(viewOf(state).kind).toBe(kind);
  });

  it('never a tip that was answered here, though the gateway shows it still', () => {
    const answered = withAnswer({ ...member, current: at(3, 'a') }, 'a');
    expect(viewOf(answered).kind).toBe('quiet');
    expect(viewOf(withCurrent(answered, at(3, 'a'))).kind).toBe('quiet');
    expect(viewOf(withCurrent(answered, at(5, 'b')))).toEqual({ kind: 'tip', tip: tip('b') });
  });
});

describe('a device without a network', () => {
  it('shows a tip for as long as its decision holds', () => {
    const end = Date.parse('2026-01-05T10:00:00Z');
    expect(stillHolding(at(3, 'a'), end - 1)).toEqual(at(3, 'a'));
    expect(stillHolding(at(3, 'a'), end)).toEqual(at(3));
    expect(stillHolding(at(3), end)).toEqual(at(3));
  });
});

describe('a gateway that fails', () => {
  it('is told from a network that is away, and counted', () => {
    const once = withFailure(member, 'failing');
    expect(once.link).toEqual(failing(1));
    expect(withFailure(once, 'failing').link).toEqual(failing(2));
    expect(withFailure(once, 'unreachable').link).toEqual(away);
    expect(withFailure(withFailure(once, 'unreachable'), 'failing').link).toEqual(failing(1));
  });
});

describe('what the gateway says', () => {
  it('is not undone by what it said before', () => {
    const state = withCurrent(member, at(5));
    expect(withCurrent(state, at(4, 'a'))).toBe(state);
    expect(withCurrent(state, at(-1))).toBe(state);
  });

  it('closes the reasons of a tip that is gone, and only then', () => {
    const asked: PageState = { ...withCurrent(member, at(3, 'a')), why: { kind: 'loading' } };
    expect(withCurrent(asked, at(4, 'a')).why).toEqual({ kind: 'loading' });
    expect(withCurrent(asked, at(5)).why).toBeUndefined();
    expect(withCurrent(asked, at(6, 'b')).why).toBeUndefined();
  });
});

describe('the note below', () => {
  it.each<[string, PageState, string | undefined]>([
    ['all is well', member, undefined],
    ['no network', { ...member, link: away }, 'Offline'],
    ['the gateway fails', { ...member, link: failing(1) }, 'oO has a problem and is tried again.'],
    ['the gateway fails, and the page says so already', { ...member, link: failing(3) }, undefined],
    ['nobody is here', { ...INITIAL, link: away }, undefined],
  ])('%s', (_name, state, note) => {
    expect(noteOf(state)).toBe(note);
  });

  it('tells that an answer waits', () => {
    expect(noteOf({ ...member, link: away, waiting: 1 })).toMatch(/Offline.*kept.*seven days/);
    for (const times of [1, 3])
      expect(noteOf({ ...member, link: failing(times), waiting: 1 })).toMatch(/problem.*kept/);
    expect(noteOf({ ...member, waiting: 1 })).toMatch(/kept.*again/);
  });
});

describe('the line about an answer that was not taken', () => {
  const letter = (answer: AnswerName, refusal: string): Letter => ({
    key: answer,
    userId: 'u',
    tipId: 'a',
    what: { kind: 'answer', answer },
    at: 0,
    refusal,
  });

  it('names the answer and the reason, of the newest, and counts the others', () => {
    expect(refusalOf(member)).toBeUndefined();
    const one = [letter('done', 'Gone.')];
    expect(refusalOf({ ...member, refused: one })).toBe('Your answer “Done” was not taken. Gone.');
    const two = [...one, letter('later', 'Late.')];
    expect(refusalOf({ ...member, refused: two })).toBe(
      'Your answer “Later” was not taken. Late. 1 earlier one neither.',
    );
  });
});
