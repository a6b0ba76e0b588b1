import type { TimelineItem } from '@oo/projections';
import { expect, it } from 'vitest';
import { timelineText } from './timeline.js';

const item = (over: Partial<TimelineItem>): TimelineItem => ({
  position: 7n,
  eventId: '0b9f6a2e-0000-4000-8000-000000000000',
  type: 'MoodReported',
  stream: 'signals-home_0000000000000000000000000a',
  revision: 3n,
  producer: 'demo',
  occurredAt: '2026-01-05T08:00:00.123Z',
  recordedAt: '2026-01-05T08:00:01Z',
  ref: null,
  decisionId: null,
  features: {},
  ...over,
});
const userId = 'home_0000000000000000000000000a';

it('is a line for each event, and says how to go on', () => {
  const items = [item({ type: 'TipShown', ref: 'demo:task:7', decisionId: 'd-1' }), item({})];
  expect(timelineText({ userId, items, next: 5n })).toBe(
    `WHEN (UTC)           WHAT          ABOUT
2026-01-05 08:00:00  TipShown      demo:task:7  d-1
2026-01-05 08:00:00  MoodReported

older: --before 5`,
  );
});

it('ends where there is no more', () => {
  expect(timelineText({ userId, items: [item({})], next: null })).not.toContain('older');
  expect(timelineText({ userId, items: [], next: null })).toBe('Nothing has happened yet.');
});
