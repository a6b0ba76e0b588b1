import { randomUUID } from 'node:crypto';
import { NO_BYTES, type ProposedEvent } from '../storage/record.js';
import { parseUuid } from '../wire/uuid.js';

/** An event of the server's own, with an id of its own. */
export function newEvent(
  type: string,
  json: boolean,
  data: Buffer,
  metadata: Buffer = NO_BYTES,
): ProposedEvent {
  return { id: parseUuid(randomUUID()), type, json, metadata, data };
}
