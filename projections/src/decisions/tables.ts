import { type RowOf, table } from '@oo/event-sourcing/pure';

/** A row for each decision point that has ended: with a tip, with silence, or void. */
export const decisionsTable = table({
  name: 'decisions',
  columns: {
    decision_id: 'uuid not null',
    user_id: 'text not null',
    position: 'bigint not null',
    revision: 'bigint not null',
    kind: 'text not null',
    decided_at: 'timestamptz',
    trigger: 'jsonb not null',
    available: 'boolean',
    unavailable: 'jsonb',
    act_probability: 'double precision',
    choice: 'text',
    choice_kind: 'text',
    policy: 'text',
    policy_version: 'text',
    prior_version: 'text',
    moment_reasons: 'jsonb',
    tip_reasons: 'jsonb',
    holds_until: 'timestamptz',
    reconsider_at: 'timestamptz',
    void_reason: 'text',
    shown_at: 'timestamptz',
    answer: 'text',
    answered_at: 'timestamptz',
    expired: 'boolean not null',
    outcome: 'text',
    horizon_ended_at: 'timestamptz',
  },
  key: ['user_id', 'decision_id'],
  indexes: ['(user_id, position)', '(decision_id)'],
});

export type DecisionRow = RowOf<typeof decisionsTable>;
