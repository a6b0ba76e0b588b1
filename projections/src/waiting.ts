import type { ReadModels, Target, Waited } from '@oo/event-sourcing';
import * as machinery from '@oo/event-sourcing';
import { PROJECTIONS, type ProjectionName } from './registry.js';

/** Position up to which a read model reflects the store, over all its workers; -1 for nothing yet. */
export function progressOf(sql: ReadModels, projection: ProjectionName): Promise<bigint> {
  return machinery.progressOf(sql, PROJECTIONS[projection]);
}

/**
 * Waits until a read model reflects a write: give it the stream and revision of a command's reply, or a position.
 * Anything but `reached` means that the rows may be older.
 */
export function waitFor(
  sql: ReadModels,
  projection: ProjectionName,
  target: Target,
  timeoutMs: number,
): Promise<Waited> {
  return machinery.waitFor(sql, PROJECTIONS[projection], target, timeoutMs);
}
