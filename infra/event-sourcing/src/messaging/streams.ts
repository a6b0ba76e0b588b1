import {
  type ConsumerConfig,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import {
  EVENTS_STREAM,
  EVENTS_SUBJECTS,
  HEADER_POSITION,
  PROPOSALS_STREAM,
  PROPOSALS_SUBJECTS,
  SNAPSHOTS_STREAM,
  SNAPSHOTS_SUBJECTS,
} from '@oo/contracts';

const SECOND = 1_000_000_000;
const DAY = 86_400 * SECOND;

/** What a stream is to be like. */
export type StreamDefinition = Pick<StreamConfig, 'name' | 'subjects'> & Partial<StreamConfig>;

const common = {
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.Old,
  storage: StorageType.File,
  duplicate_window: 120 * SECOND,
  allow_direct: true,
} satisfies Partial<StreamConfig>;

/** The streams of oO. There is no other definition of them. */
export const STREAMS = {
  events: {
    ...common,
    name: EVENTS_STREAM,
    subjects: [EVENTS_SUBJECTS],
    max_age: 7 * DAY,
    max_bytes: 1024 ** 3,
  },
  proposals: {
    ...common,
    name: PROPOSALS_STREAM,
    subjects: [PROPOSALS_SUBJECTS],
    max_age: DAY,
    max_bytes: 256 * 1024 ** 2,
  },
  /** What a person's stream came to stays here no longer than their events do. */
  snapshots: {
    ...common,
    name: SNAPSHOTS_STREAM,
    subjects: [SNAPSHOTS_SUBJECTS],
    max_msgs_per_subject: 1,
    max_age: 7 * DAY,
    max_bytes: 512 * 1024 ** 2,
  },
} as const satisfies Record<string, StreamDefinition>;

const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;
const CONSUMER_NOT_FOUND = 10014;
const CONSUMER_EXISTS = 10148;

/** Makes the stream as it is defined, or brings it into that shape. Safe to call by all and any number of times. */
export async function ensureStream(jsm: JetStreamManager, definition: StreamDefinition): Promise<StreamInfo> {
  try {
    const info = await jsm.streams.info(definition.name);
    const wanted = Object.entries(definition);
    const differs = wanted.some(
      ([key, value]) => JSON.stringify(info.config[key as keyof StreamConfig]) !== JSON.stringify(value),
    );
    return differs ? await jsm.streams.update(definition.name, definition) : info;
  } catch (error) {
    if (!isJetStreamError(error, STREAM_NOT_FOUND)) throw error;
  }
  try {
    return await jsm.streams.add(definition);
  } catch (error) {
    // Another was faster.
    if (isJetStreamError(error, STREAM_NAME_IN_USE)) return jsm.streams.info(definition.name);
    throw error;
  }
}

/**
 * Makes the durable consumer, or brings it into that shape. One that is new begins where its configuration says: the
 * broker would have it go on where one of that name was in a stream that is lost, and so pass over what is there now.
 */
export async function ensureConsumer(
  jsm: JetStreamManager,
  stream: string,
  durable: string,
  config: Partial<ConsumerConfig>,
): Promise<void> {
  const wanted = { ...config, durable_name: durable };
  const isNew = await isUnknown(jsm, stream, durable);
  try {
    const { delivered } = await jsm.consumers.add(stream, wanted);
    if (isNew && delivered.consumer_seq > 0) {
      await jsm.consumers.delete(stream, durable);
      await jsm.consumers.add(stream, wanted);
    }
  } catch (error) {
    if (!isJetStreamError(error, CONSUMER_EXISTS)) throw error;
    await jsm.consumers.update(stream, durable, config);
  }
}

async function isUnknown(jsm: JetStreamManager, stream: string, durable: string): Promise<boolean> {
  try {
    await jsm.consumers.info(stream, durable);
    return false;
  } catch (error) {
    if (isMissing(error)) return true;
    throw error;
  }
}

/**
 * Whether the broker answers and cannot do what it should with a stream or a consumer that is there. Where that stays
 * so, it cannot read what it kept of them (a stream is "offline", a consumer cannot be made), and only deleting the
 * stream helps: a consumer that it cannot read it does not know, so nobody can delete that alone.
 */
export function isUnable(error: unknown): boolean {
  return error instanceof JetStreamApiError && !isMissing(error);
}

/** Whether the stream, or the consumer of it, is not there. */
export function isMissing(error: unknown): boolean {
  return isStreamNotFound(error) || isJetStreamError(error, CONSUMER_NOT_FOUND);
}

export function isStreamNotFound(error: unknown): boolean {
  return isJetStreamError(error, STREAM_NOT_FOUND);
}

function isJetStreamError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.apiError().err_code === code;
}

/** The newest event that was relayed: its position in the store, and its sequence in the stream. */
export interface Relayed {
  readonly position: bigint;
  readonly sequence: number;
}

/** Undefined where there is none, or no stream. */
export async function lastRelayed(jsm: JetStreamManager): Promise<Relayed | undefined> {
  try {
    const last = await jsm.streams.getMessage(EVENTS_STREAM, { last_by_subj: EVENTS_SUBJECTS });
    const position = last?.header.get(HEADER_POSITION) ?? '';
    return last === null || position === '' ? undefined : { position: BigInt(position), sequence: last.seq };
  } catch (error) {
    if (isStreamNotFound(error)) return undefined;
    throw error;
  }
}
