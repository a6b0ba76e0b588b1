import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { EVENTS_STREAM, EVENTS_SUBJECTS, PROPOSALS_STREAM, PROPOSALS_SUBJECTS } from '@oo/contracts';

const SECOND = 1_000_000_000;
const DAY = 86_400 * SECOND;

type Definition = Pick<StreamConfig, 'name' | 'subjects'> & Partial<StreamConfig>;

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
} as const satisfies Record<string, Definition>;

const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;

/** Makes the stream as it is defined, or brings it into that shape. Safe to call by all and any number of times. */
export async function ensureStream(jsm: JetStreamManager, definition: Definition): Promise<StreamInfo> {
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

export function isStreamNotFound(error: unknown): boolean {
  return isJetStreamError(error, STREAM_NOT_FOUND);
}

function isJetStreamError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.apiError().err_code === code;
}
