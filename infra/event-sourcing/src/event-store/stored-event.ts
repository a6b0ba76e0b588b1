import type { AllStreamRecordedEvent, RecordedEvent as ClientEvent } from '@eventstore/db-client';
import {
  type CommandId,
  type EventEnvelope,
  isCommandId,
  ownerOf,
  type RecordedEvent,
  readEvent,
  readMetadata,
} from '@oo/contracts';

/** An event as the store holds it: payload and metadata are JSON that nobody has looked at yet. */
export interface StoredEvent {
  readonly id: string;
  readonly type: string;
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
  readonly data: unknown;
  readonly metadata: unknown;
  /** When the store wrote it, by the store's clock (milliseconds since 1970). Retention only; never the domain's time. */
  readonly storedAtMs: number;
  /** Payload and metadata in the bytes that the store has, where they look like objects of JSON. */
  readonly raw?: RawJson | undefined;
}

export interface RawJson {
  readonly data: Buffer;
  readonly metadata: Buffer;
}

/** Whether an event stands in one of oO's streams. */
export function isOurs(event: Pick<StoredEvent, 'stream'>): boolean {
  return ownerOf(event.stream) !== undefined;
}

/**
 * Upcasts and parses.
 * @throws EventUnreadable when this build cannot read the payload
 * @throws z.ZodError when the metadata is malformed
 */
export function parseStored(event: Omit<StoredEvent, 'storedAtMs'>): RecordedEvent {
  const metadata = readMetadata(event.metadata);
  const { id, stream, revision, position } = event;
  return {
    ...readEvent(event.type, metadata.schemaVersion, event.data),
    id,
    stream,
    revision,
    position,
    metadata,
  };
}

/** As it travels: the payload as it was written, for the reader to upcast. */
export function envelopeOf(event: StoredEvent): EventEnvelope {
  const { id, type, stream, data, metadata } = event;
  return {
    id,
    type,
    stream,
    revision: String(event.revision),
    position: String(event.position),
    data,
    metadata,
  };
}

/**
 * {@link envelopeOf} in JSON. What the store has as bytes is passed on as it is: parsing it and writing it again was a
 * third of what a relay does. A payload that only looks like JSON makes a message that nobody can read, and who cannot
 * read a message reads the store; or one with other fields in it, which those behind it overrule.
 */
export function envelopeBytes(event: StoredEvent): Buffer {
  const { raw } = event;
  if (raw === undefined) return Buffer.from(JSON.stringify(envelopeOf(event)));
  const { id, type, stream, revision, position } = event;
  const about = `,"id":${JSON.stringify(id)},"type":${JSON.stringify(type)},"stream":${JSON.stringify(stream)}`;
  const tail = `${about},"revision":"${revision}","position":"${position}"}`;
  const bytes = Buffer.allocUnsafe(
    DATA.length + raw.data.length + METADATA.length + raw.metadata.length + tail.length * 3,
  );
  let end = bytes.write(DATA, 0);
  end += raw.data.copy(bytes, end);
  end += bytes.write(METADATA, end);
  end += raw.metadata.copy(bytes, end);
  end += bytes.write(tail, end);
  return bytes.subarray(0, end);
}

const DATA = '{"data":';
const METADATA = ',"metadata":';

/** The command that an event came of, without parsing the rest. */
export function commandIdOf(event: StoredEvent): CommandId | undefined {
  const { metadata } = event;
  if (typeof metadata !== 'object' || metadata === null || !('commandId' in metadata)) return undefined;
  const { commandId } = metadata;
  return typeof commandId === 'string' && isCommandId(commandId) ? commandId : undefined;
}

/** When an event was recorded, as it is written there, without parsing the rest; '' where nothing is. */
export function recordedAtOf({ metadata }: StoredEvent): string {
  if (typeof metadata !== 'object' || metadata === null || !('recordedAt' in metadata)) return '';
  return typeof metadata.recordedAt === 'string' ? metadata.recordedAt : '';
}

/** Out of what the client gives. @throws Error when the server tells no position (EventStoreDB before 22.6). */
export function storedEvent(event: ClientEvent | AllStreamRecordedEvent): StoredEvent {
  if (event.position === undefined) {
    throw new Error('the event store tells no positions; use EventStoreDB 22.6 or later');
  }
  return {
    id: event.id,
    type: event.type,
    stream: event.streamId,
    revision: event.revision,
    position: event.position.commit,
    data: event.data,
    metadata: event.metadata,
    storedAtMs: event.created.getTime(),
  };
}
