import { type RowOf, table } from '@oo/event-sourcing/pure';

/** A row for each person who has had a decision; `tip_id` is null while no tip is active. */
export const currentTipTable = table({
  name: 'current_tip',
  columns: {
    user_id: 'text not null',
    tip_id: 'uuid',
    kind: 'text',
    ref: 'text',
    proposed_at: 'timestamptz',
    holds_until: 'timestamptz',
    shown_at: 'timestamptz',
    revision: 'bigint not null',
  },
  key: ['user_id'],
});

export type CurrentTipRow = RowOf<typeof currentTipTable>;
