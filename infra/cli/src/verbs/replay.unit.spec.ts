import { expect, it } from 'vitest';
import { replayText } from './replay.js';

const ADA = {
  user: 'home_0000000000000000000000000a',
  events: 12,
  decisions: 3,
  differences: [],
  state: { stateDigest: '0123456789abcdef0123' },
};
const ALTERED = {
  ...ADA,
  differences: [
    {
      decisionId: '0b9f6a2e-0000-4000-8000-000000000000',
      fields: [{ field: 'actProbability', recorded: 0.5, replayed: 0.25 }],
    },
  ],
};

it('says that all came out the same', () => {
  expect(replayText({ identical: true, decisions: 3, users: [ADA] })).toBe(
    `${ADA.user}  12 events, 3 decisions, all identical, state 0123456789abcdef…\n\nAll 3 decisions came out bit-identical.`,
  );
});

it('names each field of a decision that came out otherwise', () => {
  const text = replayText({ identical: false, decisions: 6, users: [ADA, ALTERED] });
  expect(text).toContain(`${ADA.user}  12 events, 3 decisions, 1 DIFFER, state`);
  expect(text).toContain('0b9f6a2e-0000-4000-8000-000000000000\n  actProbability: recorded 0.5, now 0.25\n');
  expect(text).toMatch(/\nNOT all of 6 decisions came out the same\.$/);
});

it('does not call nothing identical', () => {
  const nobody = { ...ADA, decisions: 0 };
  expect(replayText({ identical: true, decisions: 0, users: [nobody] })).toMatch(
    /\nThere is no decision yet\.$/,
  );
});
