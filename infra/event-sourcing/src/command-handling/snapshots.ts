import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import type { Entry } from './recorded-commands.js';

/**
 * Where snapshots are kept: outside the log, each the only one of its stream. A cache: what it loses, and when, changes
 * no answer, only how long a stream takes to load. None of its methods throws.
 */
export interface SnapshotStore {
  /** The last that was kept, undefined where there is none or where it cannot be had soon. */
  read(stream: string): Promise<Uint8Array | undefined>;
  write(stream: string, snapshot: Uint8Array): Promise<void>;
  /** For a stream that was deleted: what is known of it goes, too. */
  forget(stream: string): Promise<void>;
}

/** How the states of a decider are kept. */
export interface Snapshotting<State> {
  readonly store: SnapshotStore;
  /** Of the decider's state and `evolve`: to be raised with every change of either, or old states would live on. */
  readonly version: number;
  /** As JSON. */
  readonly encode: (state: State) => unknown;
  /** @throws where this is no state */
  readonly decode: (json: unknown) => State;
  /** Events between two snapshots of a stream. */
  readonly every: number;
}

/** The state of a stream up to one of its events, and the commands that count as recorded there. */
export interface Snapshot<State> {
  readonly state: State;
  readonly revision: bigint;
  readonly position: bigint;
  /** Id of the event at `revision`, and when it was recorded: both tell a log that was put back and has another past. */
  readonly eventId: string;
  readonly recordedAt: string;
  readonly commands: readonly (readonly [command: string, entry: Entry])[];
}

const FORMAT = 2;
const numeral = z.string().regex(/^\d+$/).transform(BigInt);
const document = z.object({
  format: z.literal(FORMAT),
  version: z.number(),
  stream: z.string(),
  window: z.number(),
  revision: numeral,
  position: numeral,
  eventId: z.string(),
  recordedAt: z.string(),
  state: z.unknown(),
  commands: z.array(
    z.tuple([z.string(), z.object({ revision: numeral, position: numeral, eventIds: z.array(z.string()) })]),
  ),
});

/** @param window over how many events commands are recognised; one of another size does not fit */
export function encodeSnapshot<State>(
  { version, encode }: Pick<Snapshotting<State>, 'version' | 'encode'>,
  stream: string,
  window: number,
  { state, revision, position, eventId, recordedAt, commands }: Snapshot<State>,
): Uint8Array {
  const body = {
    format: FORMAT,
    version,
    stream,
    window,
    revision,
    position,
    eventId,
    recordedAt,
    state: encode(state),
    commands,
  };
  const json = JSON.stringify(body, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  return gzipSync(json, { level: 1 });
}

/** Undefined where the bytes are not a snapshot of that stream, window and version: damaged, or of another build. */
export function decodeSnapshot<State>(
  { version, decode }: Pick<Snapshotting<State>, 'version' | 'decode'>,
  stream: string,
  window: number,
  bytes: Uint8Array,
): Snapshot<State> | undefined {
  try {
    const read = document.parse(JSON.parse(gunzipSync(bytes).toString('utf8')));
    if (read.version !== version || read.stream !== stream || read.window !== window) return undefined;
    const { revision, position, eventId, recordedAt, commands } = read;
    return { state: decode(read.state), revision, position, eventId, recordedAt, commands };
  } catch {
    return undefined;
  }
}
