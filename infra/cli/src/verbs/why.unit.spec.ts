import { describe, expect, it } from 'vitest';
import { adviceTitle, type Why, whyText } from './why.js';

const TIP: Why = {
  user: 'home_0000000000000000000000000a',
  identical: true,
  record: {
    decidedAt: '2026-01-05T08:00:00Z',
    holdsUntil: '2026-01-05T08:45:00Z',
    policy: 'heuristic',
    policyVersion: 'v1',
    priorVersion: 'common.v1',
    stateDigest: 'a'.repeat(64),
  },
  differences: [],
  explanation: {
    trigger: { code: 'TRIGGER_KIND_SIGNAL', words: 'Something changed in your day.' },
    obstacles: [],
    momentReasons: [
      { code: 'moment.busy.against', words: 'You are busy.', contribution: -0.5 },
      { code: 'moment.since_tip.for', words: 'The last tip was a while ago.', contribution: 0.2 },
    ],
    tipReasons: [{ code: 'tip.rest.for', words: 'It lets you rest.', contribution: 0.3 }],
    actProbability: 0.1234,
    account: {
      moment: { total: -0.744, count: 5 },
      tip: { total: 0.301, count: 1 },
      expected: 0.25,
      act: 0.12341,
      page: false,
    },
    choice: 'oo:advice:stretch',
    alternatives: [
      { ref: 'oo:advice:stretch', probability: 0.75 },
      { ref: 'demo:task:1', probability: 0.25 },
    ],
  },
  title: 'Stand up and stretch',
  outcome: { answer: null, outcome: 'OUTCOME_KIND_IGNORED' },
};

const explained = (over: Partial<Why['explanation']>): Why => ({
  ...TIP,
  explanation: { ...TIP.explanation, ...over },
});
const SILENCE: Why = {
  ...explained({ choice: null, tipReasons: [] }),
  title: null,
  outcome: { answer: null, outcome: 'OUTCOME_KIND_WAITED' },
};

/** The numbers of a column of reasons, in thousandths. */
const column = (text: string, title: string): number[] =>
  [...(text.split(`${title}\n`)[1]?.split('\n\n')[0] ?? '').matchAll(/^ {2}([−+])(\d+\.\d{3}) /gm)].map(
    ([, sign, size]) => Math.round(Number(size) * 1000) * (sign === '−' ? -1 : 1),
  );

describe('oo why', () => {
  it('says an advice in words', () => {
    expect(adviceTitle('oo:advice:stretch')).toBe('Stand up and stretch');
    expect(adviceTitle('oo:advice:there-is-none')).toBeNull();
    expect(whyText(TIP)).toMatch(/^The tip was oo:advice:stretch “Stand up and stretch”\.\n/);
    expect(whyText({ ...TIP, title: null })).toMatch(/^The tip was oo:advice:stretch\.\n/);
  });

  it('prints reasons that add up to what is stated', () => {
    const text = whyText(TIP);
    expect(text).toContain('  −0.444  and 3 smaller\n  +0.250  what the tips at hand are worth on average\n');
    const moment = column(text, 'Why this moment, and why not:');
    expect(moment).toEqual([-500, 200, -444, 250, -494]);
    expect(moment.slice(0, -1).reduce((sum, each) => sum + each, 0)).toBe(moment.at(-1));
    expect(text).toContain('  −0.494  in all, which makes 12.3 %\n');
    expect(text).toContain('Probability of speaking: 12.3 %');
    // All reasons are shown, and still a thousandth is missing.
    expect(column(text, 'Why this tip, and why not:')).toEqual([300, 1]);
    expect(text).toContain('  +0.001  rounding\n');
  });

  it('says what settles the probability where the sum does not', () => {
    const { account } = TIP.explanation;
    if (account === null) throw new Error('no account');
    const page = explained({ actProbability: 0.95, account: { ...account, page: true } });
    expect(whyText(page)).toContain('makes 12.3 %; as the page is open, it is 95.0 %\n');
    const bounded = explained({ actProbability: 0.05, account: { ...account, act: 0.021 } });
    expect(whyText(bounded)).toContain('makes 2.1 %; neither answer is ever ruled out, so it is 5.0 %\n');
  });

  it('prints the reasons alone where the policy tells no more', () => {
    const text = whyText(explained({ account: null }));
    expect(text).toContain('  +0.200  The last tip was a while ago.\n\n');
    expect(text).not.toMatch(/smaller|in all/);
  });

  it('says of a tip what became of it', () => {
    expect(whyText(TIP)).toContain('\nAnswered: not at all. Outcome: ignored.\n');
    const done = { answer: 'done', outcome: 'OUTCOME_KIND_COMPLETED' };
    expect(whyText({ ...TIP, outcome: done })).toContain('\nAnswered: done. Outcome: completed.\n');
    expect(whyText({ ...TIP, outcome: { answer: 'later', outcome: null } })).toContain(
      'Outcome: still open.',
    );
    expect(whyText({ ...TIP, outcome: { answer: null, outcome: null } })).not.toContain('Answered');
  });

  it('says of a silence until when it was kept, and nothing of an answer', () => {
    const text = whyText(SILENCE);
    expect(text).toMatch(/^Nothing was said\.\n/);
    expect(text).toContain('\nIt kept silent until 2026-01-05T08:45:00Z.\n');
    expect(text).not.toContain('Answered');
    expect(whyText({ ...SILENCE, outcome: { answer: null, outcome: null } })).not.toContain('silent until');
  });

  it('names what stood in the way', () => {
    const words = 'These are your quiet hours.';
    const obstacles = [{ code: 'UNAVAILABILITY_QUIET_HOURS', words }];
    const text = whyText(
      explained({ obstacles, choice: null, account: null, momentReasons: [], tipReasons: [] }),
    );
    expect(text).toContain('Speaking was not allowed:\n  These are your quiet hours.\n');
    expect(text).not.toContain('Probability of speaking');
  });

  it('names every field that came out otherwise', () => {
    const differences = [{ field: 'candidates.0.probability', recorded: 0.5, replayed: 0.75 }];
    const text = whyText({ ...TIP, identical: false, differences });
    expect(text).toMatch(/NOT the same\.\n {2}candidates\.0\.probability: recorded 0\.5, now 0\.75$/);
    expect(text).not.toContain('bit-identical');
    expect(whyText(TIP)).toMatch(/bit-identical\.$/);
  });
});
