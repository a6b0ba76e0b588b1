import type { UserId } from '@oo/contracts';
import { type Json, type ReadModels, rowsOf } from '@oo/event-sourcing';
import { type Page, type PageRequest, pageOf } from '../page.js';
import { timelineProjection } from './apply.js';
import type { TimelineRow } from './tables.js';

/** An event of a person, without any text. */
export interface TimelineItem {
  readonly position: bigint;
  readonly eventId: string;
  readonly type: string;
  readonly stream: string;
  readonly revision: bigint;
  readonly producer: string;
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly ref: string | null;
  readonly decisionId: string | null;
  /** The event's other fields, by their names in the event: times, codes and numbers. */
  readonly features: Json;
}

/** The newest events of a person, or those behind the page that gave `before`. */
export async function timelinePage(
  sql: ReadModels,
  userId: UserId,
  request: PageRequest,
): Promise<Page<TimelineItem>> {
  return pageOf(request, async ({ before, count }) => {
    const rows = await rowsOf(sql<TimelineRow[]>`
      select * from ${sql(timelineProjection.schema)}.timeline
      where user_id = ${userId} and position < ${before}
      order by position desc limit ${count}`);
    return rows.map(itemOf);
  });
}

function itemOf(row: TimelineRow): TimelineItem {
  return {
    position: row.position,
    eventId: row.event_id,
    type: row.type,
    stream: row.stream,
    revision: row.revision,
    producer: row.producer,
    occurredAt: row.occurred_at,
    recordedAt: row.recorded_at,
    ref: row.ref,
    decisionId: row.decision_id,
    features: row.features,
  };
}
