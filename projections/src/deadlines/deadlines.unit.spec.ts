import { OutcomeKind, Unavailability } from '@oo/contracts';
import { type GivenEvent, givenEvents } from '@oo/event-sourcing';
import { describe, it } from 'vitest';
import { lifeOf, someone, uuid } from '../testing/events.js';
import { deadlinesProjection } from './apply.js';
import { deadlinesTable } from './tables.js';

const user = someone();
const ada = lifeOf(user);
const [one, two] = [uuid('one'), uuid('two')];
const closed = (decisionId: string): GivenEvent => ({
  user,
  type: 'DecisionOutcomeClosed',
  data: {
    decisionId,
    outcome: OutcomeKind.OUTCOME_KIND_WAITED,
    horizonStartedAt: '2026-01-05T08:00:00Z',
    horizonEndedAt: '2026-01-05T08:10:00Z',
  },
});

describe('deadlines', () => {
  it('gives a tip ten minutes of grace behind its end', async () => {
    const proposed = ada.proposed({ id: one, choice: 'demo:task:1' });
    (await givenEvents(deadlinesProjection, proposed)).thenRows(deadlinesTable, {
      decision_id: one,
      user_id: user,
      ref: 'demo:task:1',
      holds_until: '2026-01-05T10:00:00Z',
      due_at: '2026-01-05T10:10:00Z',
    });
  });

  it('gives a decision to wait none', async () => {
    (await givenEvents(deadlinesProjection, ada.withheld({ id: one }))).thenRows(deadlinesTable, {
      decision_id: one,
      ref: null,
      due_at: '2026-01-05T10:00:00Z',
    });
  });

  it('has none for a decision that was not free to speak', async () => {
    const unavailable = [Unavailability.UNAVAILABILITY_TIP_ACTIVE];
    (await givenEvents(deadlinesProjection, ada.withheld({ id: one, unavailable }))).thenRows(deadlinesTable);
  });

  it('is done with an outcome once it is closed, and with no other', async () => {
    const events = [ada.withheld({ id: one }), closed(one), ada.withheld({ id: two }), closed(one)];
    (await givenEvents(deadlinesProjection, ...events)).thenRows(deadlinesTable, { decision_id: two });
  });

  it('stays open through an answer, which closes it in an event of its own', async () => {
    const events = [
      ada.proposed({ id: one, choice: 'demo:task:1' }),
      ada.completed(one, '2026-01-05T08:10:00Z'),
    ];
    (await givenEvents(deadlinesProjection, ...events)).thenRows(deadlinesTable, { decision_id: one });
  });
});
