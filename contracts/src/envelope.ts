import { z } from 'zod';
import { type DomainEvent, type EventType, readEvent } from './events.js';
import type { CommandId, TenantId, UserId } from './ids.js';
import type { Instant } from './instants.js';
import { EventMetadata } from './messages.js';
import { recorded } from './schemas.js';

/** Metadata of an event, its ids told apart. Streams that are nobody's have neither user nor tenant. */
export interface Metadata {
  readonly correlationId: string;
  readonly causationId: string;
  readonly userId: UserId | '';
  readonly tenantId: TenantId | '';
  readonly schemaVersion: number;
  readonly producer: string;
  readonly occurredAt: Instant;
  readonly recordedAt: Instant;
  readonly commandId: CommandId;
  /** W3C trace context, where traces are kept. */
  readonly traceparent?: string | undefined;
}

/** An event as it was recorded, its payload upcast and parsed. */
export type RecordedEvent<Type extends EventType = EventType> = DomainEvent<Type> & {
  readonly id: string;
  readonly stream: string;
  readonly revision: bigint;
  /** Commit position in the store: the order over all streams. */
  readonly position: bigint;
  readonly metadata: Metadata;
};

/** The same as it travels over the broker and in answers of the history: JSON, payload as it was written. */
export interface EventEnvelope {
  readonly id: string;
  readonly type: string;
  readonly stream: string;
  readonly revision: string;
  readonly position: string;
  readonly data: unknown;
  readonly metadata: unknown;
}

const envelope = z.object({
  id: z.string(),
  type: z.string(),
  stream: z.string(),
  revision: z.string().regex(/^\d+$/),
  position: z.string().regex(/^\d+$/),
  data: z.unknown(),
  metadata: z.unknown(),
});

/** Metadata as it is stored: canonical proto3 JSON. */
export function metadataJson(metadata: Metadata): Record<string, unknown> {
  return EventMetadata.toJSON({ ...metadata }) as Record<string, unknown>;
}

/** @throws z.ZodError when it is not oO's metadata. */
export function readMetadata(json: unknown): Metadata {
  const { $correlationId, $causationId, ...rest } = recorded.metadata.parse(json);
  return { correlationId: $correlationId, causationId: $causationId, ...rest } as Metadata;
}

/**
 * @throws EventUnreadable when this build cannot read the payload
 * @throws z.ZodError when the envelope or the metadata is malformed
 */
export function readEnvelope(json: unknown): RecordedEvent {
  const { id, stream, revision, position, type, data, metadata } = envelope.parse(json);
  const meta = readMetadata(metadata);
  return {
    ...readEvent(type, meta.schemaVersion, data),
    id,
    stream,
    revision: BigInt(revision),
    position: BigInt(position),
    metadata: meta,
  };
}
