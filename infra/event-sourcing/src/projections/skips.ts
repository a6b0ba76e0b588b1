import { type EventType, type PersonCategory, readEvent, readMetadata } from '@oo/contracts';
import type { ArrivedEvent } from './history.js';
import type { ProjectionDefinition } from './projection.js';

/** Streams with this category say which events a read model leaves out. Every projection follows them. */
export const SKIPS = 'skips' satisfies PersonCategory;
const SKIPPED = 'ParkedEventSkipped' satisfies EventType;

export const addressOf = ({ stream, revision }: { stream: string; revision: bigint }): string =>
  `${stream}@${revision}`;

/**
 * What an event says is to be left out of this read model: `STREAM@REVISION`; undefined where it says nothing of it.
 * @throws EventUnreadable or z.ZodError where this build cannot read what it says
 */
export function leftOutBy(
  projection: Pick<ProjectionDefinition, 'name'>,
  event: ArrivedEvent,
): string | undefined {
  if (event.type !== SKIPPED) return undefined;
  const read = readEvent(event.type, readMetadata(event.metadata).schemaVersion, event.data);
  if (read.type !== SKIPPED || read.data.projection !== projection.name) return undefined;
  return addressOf(read.data);
}
