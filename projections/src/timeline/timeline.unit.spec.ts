import { ContextKind, Device, OutcomeKind, Place } from '@oo/contracts';
import { givenEvents } from '@oo/event-sourcing';
import { describe, expect, it } from 'vitest';
import { lifeOf, someone, uuid } from '../testing/events.js';
import { timelineProjection } from './apply.js';
import { timelineTable } from './tables.js';

const user = someone();
const ada = lifeOf(user);
const one = uuid('one');

describe('timeline', () => {
  it('has a row for each event, over all streams of a person, in the order of the store', async () => {
    const events = [ada.mood(1), ada.proposed({ id: one, choice: 'demo:task:1' }), ada.mood(2)];
    (await givenEvents(timelineProjection, ...events)).thenRows(
      timelineTable,
      { position: 10n, type: 'MoodReported', stream: `signals-${user}`, revision: 0n, decision_id: null },
      { position: 20n, type: 'TipProposed', stream: `tips-${user}`, ref: 'demo:task:1', decision_id: one },
      { position: 30n, type: 'MoodReported', revision: 1n, features: { valence: 2, energy: 0 } },
    );
  });

  it('tells when it happened apart from when it was recorded', async () => {
    const late = { ...ada.mood(1, '2026-01-01T08:00:00Z'), recordedAt: '2026-01-05T08:00:00Z' };
    (await givenEvents(timelineProjection, late)).thenRows(timelineTable, {
      occurred_at: '2026-01-01T08:00:00Z',
      recorded_at: '2026-01-05T08:00:00Z',
    });
  });

  it('lets through what is on its list and nothing else', async () => {
    const context = {
      kind: ContextKind.CONTEXT_KIND_PAGE_OPENED,
      device: Device.DEVICE_PHONE,
      place: Place.PLACE_HOME,
      utcOffsetMinutes: 60,
    };
    const closed = {
      decisionId: one,
      outcome: OutcomeKind.OUTCOME_KIND_COMPLETED,
      horizonStartedAt: '2026-01-05T08:00:00Z',
      horizonEndedAt: '2026-01-05T09:00:00Z',
    };
    const result = await givenEvents(
      timelineProjection,
      { user, type: 'ContextObserved', data: context },
      ada.shown(one, '2026-01-05T08:10:00Z'),
      { user, type: 'DecisionOutcomeClosed', data: closed },
      { user, type: 'TaskCompleted', data: { ref: 'demo:task:1' } },
    );
    const { decisionId, ...features } = closed;
    result.thenRows(
      timelineTable,
      { features: { ...context } },
      { features: {}, decision_id: one },
      { features, decision_id: decisionId },
      { features: {}, ref: 'demo:task:1' },
    );
    expect(JSON.stringify(result.rows(timelineTable), (_, value) => String(value))).not.toContain('phone-1');
  });

  it('has the whole record of a decision nowhere', async () => {
    const result = await givenEvents(timelineProjection, ada.withheld({ id: one }));
    result.thenRows(timelineTable, {
      ref: null,
      decision_id: one,
      features: {
        actProbability: 0.4,
        unavailable: [],
        holdsUntil: '2026-01-05T10:00:00Z',
        trigger: 'TRIGGER_KIND_SIGNAL',
      },
    });
  });
});
