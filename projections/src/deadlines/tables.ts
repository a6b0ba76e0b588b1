import { type RowOf, table } from '@oo/event-sourcing/pure';

/** A row for each available decision whose outcome is open. */
export const deadlinesTable = table({
  name: 'deadlines',
  columns: {
    decision_id: 'uuid not null',
    user_id: 'text not null',
    /** The chosen candidate's reference; null for a decision to wait. */
    ref: 'text',
    holds_until: 'timestamptz not null',
    due_at: 'timestamptz not null',
  },
  key: ['user_id', 'decision_id'],
  indexes: ['(due_at)'],
});

export type DeadlineRow = RowOf<typeof deadlinesTable>;
