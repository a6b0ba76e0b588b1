import type { ProjectionDefinition } from '@oo/event-sourcing';
import { currentTipProjection } from './current-tip/apply.js';
import { deadlinesProjection } from './deadlines/apply.js';
import { decisionsProjection } from './decisions/apply.js';
import { timelineProjection } from './timeline/apply.js';

/** The read models that there are. */
export const PROJECTIONS = {
  'current-tip': currentTipProjection,
  timeline: timelineProjection,
  decisions: decisionsProjection,
  deadlines: deadlinesProjection,
} as const satisfies Record<string, ProjectionDefinition>;

export type ProjectionName = keyof typeof PROJECTIONS;
export const PROJECTION_NAMES = Object.keys(PROJECTIONS) as readonly ProjectionName[];

export function isProjectionName(text: string): text is ProjectionName {
  return Object.hasOwn(PROJECTIONS, text);
}
