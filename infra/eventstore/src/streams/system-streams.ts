import { createHash } from 'node:crypto';
import type { ProposedEvent, RecordView } from '../storage/record.js';
import { RecordReader } from '../storage/record-reader.js';
import { uuidText } from '../wire/uuid.js';
import type { EventStore } from './event-store.js';
import { LINK_TYPE } from './links.js';
import { isMetastream, METADATA_TYPE, metastreamOf, originalOf, parseMetadata } from './metadata.js';
import { newEvent } from './new-event.js';

/** `on-demand`: from the first time that one of the streams is asked for. */
export type SystemStreamsMode = 'on' | 'off' | 'on-demand';

const CHECKPOINT_STREAM = '$projections-$system-streams-checkpoint';
const CHECKPOINT_TYPE = '$ProjectionCheckpoint';
const PAGE = 256;
const CHECKPOINT_EVERY = 8192;
const CHECKPOINT_IDLE_MS = 1000;
/** Like a projection it follows at a small distance: what is appended meanwhile is linked to with one sync. */
const LAG_MS = 50;
/** Under these numbers EventStoreDB's standard projections write. */
const PROJECTION = { streams: 1, category: 2, byCategory: 3, byType: 4, byCorrelation: 5 } as const;

interface Emission {
  readonly stream: string;
  readonly event: ProposedEvent;
}

export function isSystemStreamName(stream: string): boolean {
  return stream === '$streams' || /^\$(ce|et|bc|category)-/.test(stream);
}

/**
 * Keeps the streams that EventStoreDB's standard projections keep: `$ce-` and `$category-` by category, `$et-` by event
 * type, `$bc-` by correlation, and `$streams`. One reader goes over the whole log. Each link has an id derived from its
 * cause, so that what is written again after a crash is recognised.
 */
export class SystemStreams {
  private readonly reader: RecordReader;
  private next = 0;
  private running = false;
  private started = false;
  private stopped = false;
  private sinceCheckpoint = 0;
  private lastSource = 0;
  private idle: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: EventStore,
    private readonly mode: SystemStreamsMode,
    private readonly report: (message: string) => void,
  ) {
    this.reader = new RecordReader(store.log);
    const wasOn = store.lastRevision(CHECKPOINT_STREAM) >= 0;
    if (mode === 'on' || (mode === 'on-demand' && wasOn)) this.start();
  }

  get enabled(): boolean {
    return this.started;
  }

  /** Someone asks for a system stream: starts keeping them, and resolves when they cover what there was. */
  async demand(): Promise<void> {
    if (this.mode !== 'on-demand' || this.started) return;
    this.start();
    const target = this.store.log.committed;
    const until = Date.now() + 5000;
    while (this.next < target && !this.stopped && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  private start(): void {
    this.started = true;
    const record = this.store.readBackwards(CHECKPOINT_STREAM, 'end', 1, this.reader).records[0];
    if (record === undefined) {
      const metadata = newEvent(METADATA_TYPE, true, Buffer.from('{"$maxCount":2}'));
      this.store.append(metastreamOf(CHECKPOINT_STREAM), 'any', [metadata], () => {});
      this.checkpoint();
    } else {
      const saved: unknown = JSON.parse(record.data.toString('utf8'));
      if (typeof saved === 'object' && saved !== null && '$c' in saved && typeof saved.$c === 'number') {
        this.next = saved.$c;
        this.lastSource = saved.$c;
      }
    }
    this.wake();
  }

  /** Told after each group of records that became durable. */
  wake(): void {
    if (!this.started || this.running || this.stopped) return;
    this.running = true;
    void this.run()
      .catch((error: unknown) => {
        this.report(`the system streams stopped at position ${this.next}: ${String(error)}`);
      })
      .finally(() => {
        this.running = false;
      });
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.idle);
  }

  private async run(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, LAG_MS));
    while (!this.stopped && this.next < this.store.log.committed) {
      const slice = this.store.readAllForwards(this.next, PAGE, this.reader);
      let written: Promise<void> | undefined;
      for (const record of slice.records) {
        for (const { stream, event } of emissions(record)) written = this.emit(stream, event);
        if (!isOwn(record)) {
          this.sinceCheckpoint++;
          this.lastSource = record.position + record.size;
        }
      }
      // Appends are answered in order, so the last one stands for all.
      await written;
      this.next = slice.next;
      if (this.sinceCheckpoint >= CHECKPOINT_EVERY) this.checkpoint();
      else if (written === undefined) await new Promise((resolve) => setImmediate(resolve));
    }
    if (this.sinceCheckpoint > 0 && this.idle === undefined) {
      this.idle = setTimeout(() => {
        this.idle = undefined;
        if (!this.stopped && this.sinceCheckpoint > 0) this.checkpoint();
      }, CHECKPOINT_IDLE_MS);
      this.idle.unref();
    }
  }

  private emit(stream: string, event: ProposedEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      this.store.append(stream, 'any', [event], (result) => {
        if (result.kind === 'failed') reject(new Error(result.reason));
        else resolve();
      });
    });
  }

  private checkpoint(): void {
    this.sinceCheckpoint = 0;
    const position = { $v: '1:-1:0:1', $c: this.lastSource, $p: this.lastSource };
    const event = newEvent(CHECKPOINT_TYPE, true, Buffer.from(JSON.stringify(position)));
    this.store.append(CHECKPOINT_STREAM, 'any', [event], () => {});
  }
}

/** What this reader writes itself does not count as progress, or it would never come to rest. */
function isOwn(record: RecordView): boolean {
  return isSystemStreamName(record.stream) || record.stream.includes(CHECKPOINT_STREAM);
}

function emissions(record: RecordView): Emission[] {
  const { stream } = record;
  if (stream === '$streams' || stream.includes(CHECKPOINT_STREAM)) return [];
  const isLink = record.type === LINK_TYPE;
  const deleted = deletedStream(record);
  const revision = record.isTombstone ? '9223372036854775807' : String(record.revision);
  const link = isLink ? record.data.toString('utf8') : `${revision}@${stream}`;
  const result: Emission[] = [];
  const emit = (target: string, type: string, data: string, projection: number, extra: object = {}): void => {
    result.push({ stream: target, event: emitted(record, target, type, data, projection, extra) });
  };
  const isFirst = !record.isTombstone && record.revision === 0;
  if (isFirst) emit('$streams', LINK_TYPE, `0@${stream}`, PROJECTION.streams);
  const category = categoryOf(deleted ?? stream);
  if (category !== undefined) {
    const extra = deleted === undefined ? { $o: stream } : { $o: deleted, $deleted: -1 };
    emit(`$ce-${category}`, LINK_TYPE, link, PROJECTION.byCategory, extra);
    if (isFirst && deleted === undefined) emit(`$category-${category}`, '$@', stream, PROJECTION.category);
  }
  if (!isLink) {
    if (deleted === undefined) emit(`$et-${record.type}`, LINK_TYPE, link, PROJECTION.byType);
    else emit('$et-$deleted', LINK_TYPE, `${revision}@${deleted}`, PROJECTION.byType, { $deleted: -1 });
  }
  const correlation = correlationOf(record);
  if (correlation !== undefined && !isSystemStreamName(stream)) {
    const extra = { $eventTimestamp: new Date(record.created / 1000).toISOString() };
    emit(`$bc-${correlation}`, LINK_TYPE, link, PROJECTION.byCorrelation, extra);
  }
  return result;
}

/** The stream whose end this record is, softly or for good. */
function deletedStream(record: RecordView): string | undefined {
  if (record.isTombstone) return record.stream;
  if (record.type !== METADATA_TYPE || !isMetastream(record.stream)) return undefined;
  return parseMetadata(record.data).softDeleted ? originalOf(record.stream) : undefined;
}

function categoryOf(stream: string): string | undefined {
  if (stream.startsWith('$')) return undefined;
  const dash = stream.indexOf('-');
  return dash > 0 ? stream.slice(0, dash) : undefined;
}

function correlationOf(record: RecordView): string | undefined {
  const { metadata } = record;
  // Most events have none, and parsing is what this reader spends its time on.
  if (!metadata.includes('"$correlationId"')) return undefined;
  try {
    const parsed: unknown = JSON.parse(metadata.toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null && '$correlationId' in parsed) {
      return typeof parsed.$correlationId === 'string' ? parsed.$correlationId : undefined;
    }
  } catch {
    // Metadata need not be JSON.
  }
  return undefined;
}

function emitted(
  cause: RecordView,
  stream: string,
  type: string,
  data: string,
  projection: number,
  extra: object,
): ProposedEvent {
  const correlation = correlationOf(cause);
  const metadata = {
    $v: `${projection}:-1:0:1`,
    $c: cause.position,
    $p: cause.position,
    ...extra,
    $causedBy: uuidText(cause.id),
    ...(correlation === undefined ? {} : { $correlationId: correlation }),
  };
  // RFC 9562, version 8: an id that the emitter computes.
  const id = createHash('sha256')
    .update(`${projection} ${cause.position} ${stream}`)
    .digest()
    .subarray(0, 16);
  id[6] = ((id[6] ?? 0) & 0x0f) | 0x80;
  id[8] = ((id[8] ?? 0) & 0x3f) | 0x80;
  return { id, type, json: false, metadata: Buffer.from(JSON.stringify(metadata)), data: Buffer.from(data) };
}
