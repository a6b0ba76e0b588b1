import { type RowOf, table } from '@oo/event-sourcing/pure';

/** A row for each event of a person. References, times, codes and numbers; no text. */
export const timelineTable = table({
  name: 'timeline',
  columns: {
    user_id: 'text not null',
    position: 'bigint not null',
    event_id: 'uuid not null',
    type: 'text not null',
    stream: 'text not null',
    revision: 'bigint not null',
    producer: 'text not null',
    occurred_at: 'timestamptz not null',
    recorded_at: 'timestamptz not null',
    ref: 'text',
    decision_id: 'uuid',
    features: 'jsonb not null',
  },
  // A page is a walk down this index, however long the timeline is.
  key: ['user_id', 'position'],
});

export type TimelineRow = RowOf<typeof timelineTable>;
