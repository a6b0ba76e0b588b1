import { OutcomeKind, TriggerKind, Unavailability, VoidReason } from '@oo/contracts';
import { type GivenEvent, givenEvents } from '@oo/event-sourcing';
import { describe, it } from 'vitest';
import { lifeOf, someone, uuid } from '../testing/events.js';
import { decisionsProjection } from './apply.js';
import { decisionsTable } from './tables.js';

const user = someone();
const ada = lifeOf(user);
const one = uuid('one');
const AT = '2026-01-05T08:10:00Z';
const proposed = ada.proposed({ id: one, choice: 'demo:task:1' });
const closed = (outcome: OutcomeKind): GivenEvent => ({
  user,
  type: 'DecisionOutcomeClosed',
  data: {
    decisionId: one,
    outcome,
    horizonStartedAt: '2026-01-05T08:00:00Z',
    horizonEndedAt: '2026-01-05T08:10:00Z',
  },
});

describe('decisions', () => {
  it('has a decision to show a tip, with its reasons in codes', async () => {
    (await givenEvents(decisionsProjection, proposed)).thenRows(decisionsTable, {
      decision_id: one,
      user_id: user,
      position: 10n,
      revision: 0n,
      kind: 'proposed',
      decided_at: '2026-01-05T08:00:00Z',
      available: true,
      unavailable: [],
      act_probability: 0.4,
      choice: 'demo:task:1',
      choice_kind: 'todo',
      policy: 'heuristic',
      moment_reasons: [{ code: 'task-due', contribution: 0.5 }],
      tip_reasons: [{ code: 'due-soon', contribution: 1.5 }],
      outcome: null,
      answer: null,
      expired: false,
    });
  });

  it('has a decision to wait, and why speaking was not allowed', async () => {
    const unavailable = [Unavailability.UNAVAILABILITY_QUIET_HOURS];
    const result = await givenEvents(decisionsProjection, ada.withheld({ id: one, unavailable }));
    result.thenRows(decisionsTable, {
      kind: 'withheld',
      available: false,
      unavailable,
      act_probability: 0,
      choice: null,
      choice_kind: null,
    });
  });

  it('has one that could not become a fact', async () => {
    const trigger = { kind: TriggerKind.TRIGGER_KIND_SIGNAL, id: uuid('trigger'), at: AT };
    const reason = VoidReason.VOID_REASON_TIP_ACTIVE;
    const voided: GivenEvent = { user, type: 'DecisionVoided', data: { decisionId: one, reason, trigger } };
    (await givenEvents(decisionsProjection, voided)).thenRows(decisionsTable, {
      kind: 'voided',
      void_reason: reason,
      trigger,
      decided_at: null,
      available: null,
    });
  });

  it.each([
    ['will-do', ada.accepted(one, AT)],
    ['done', ada.completed(one, AT)],
    ['later', ada.snoozed(one, AT, '2026-01-05T11:10:00Z')],
    ['no', ada.dismissed(one, AT)],
  ])('keeps the answer %s and its time, and that it was shown', async (answer, event) => {
    const shown = ada.shown(one, '2026-01-05T08:05:00Z');
    (await givenEvents(decisionsProjection, proposed, shown, event)).thenRows(decisionsTable, {
      answer,
      answered_at: AT,
      shown_at: '2026-01-05T08:05:00Z',
    });
  });

  it('keeps the outcome, also beside an answer that came too late for it', async () => {
    const ignored = closed(OutcomeKind.OUTCOME_KIND_IGNORED);
    const events = [proposed, ada.expired(one, true), ignored, ada.completed(one, AT)];
    (await givenEvents(decisionsProjection, ...events)).thenRows(decisionsTable, {
      expired: true,
      outcome: OutcomeKind.OUTCOME_KIND_IGNORED,
      horizon_ended_at: '2026-01-05T08:10:00Z',
      answer: 'done',
    });
  });
});
