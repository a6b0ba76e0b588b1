import type { RecordReader } from '../storage/record-reader.js';
import type { EventStore } from '../streams/event-store.js';
import { LINK_TYPE, type ResolvedRecord, resolve } from '../streams/links.js';
import { METADATA_TYPE, metastreamOf } from '../streams/metadata.js';
import { newEvent } from '../streams/new-event.js';
import { type Message, recordOf } from './message.js';

const ADMINS_ONLY = { $r: '$admins', $w: '$admins', $d: '$admins', $mr: '$admins', $mw: '$admins' };
const ATTEMPTS = 6;

/** The stream of links to the events that nobody could handle. */
export class ParkedMessages {
  readonly stream: string;

  constructor(
    private readonly store: EventStore,
    group: string,
    private readonly report: (message: string) => void,
  ) {
    this.stream = `$persistentsubscription-${group}-parked`;
  }

  get count(): number {
    const { state, last } = this.store.state(this.stream);
    if (state !== 'exists') return 0;
    return Math.max(0, last + 1 - (this.store.metadata(this.stream).truncateBefore ?? 0));
  }

  /** Calls back when the message is in the stream, or was given up on. */
  park(message: Message, reason: string, done: () => void, attempt = 1): void {
    const { event } = message;
    const data =
      event === undefined ? recordOf(message).data.toString('utf8') : `${event.revision}@${event.stream}`;
    const { revision } = recordOf(message);
    const metadata = {
      added: new Date().toISOString(),
      reason,
      ...(revision === 0 ? {} : { subscriptionEventNumber: revision }),
    };
    const parked = newEvent(LINK_TYPE, false, Buffer.from(data), Buffer.from(JSON.stringify(metadata)));
    this.store.append(this.stream, 'any', [parked], (result) => {
      if (result.kind === 'failed' && attempt < ATTEMPTS) {
        setTimeout(() => this.park(message, reason, done, attempt + 1), 200 * attempt).unref();
        return;
      }
      if (result.kind !== 'appended')
        this.report(`a message could not be parked in ${this.stream}: ${result.kind}`);
      done();
    });
  }

  /** All parked messages before a revision of the stream; they are truncated from it. */
  take(stopAt: number | undefined, reader: RecordReader): ResolvedRecord[] {
    const { state, last } = this.store.state(this.stream);
    if (state !== 'exists') return [];
    const stop = Math.min(stopAt ?? last + 1, last + 1);
    const taken: ResolvedRecord[] = [];
    for (let next = 0; next < stop; ) {
      const slice = this.store.readForwards(this.stream, next, Math.min(500, stop - next), reader);
      for (const record of slice.records) {
        if (record.revision < stop) taken.push(resolve(this.store, record, reader, () => true));
      }
      if (slice.end || slice.next <= next) break;
      next = slice.next;
    }
    const metadata = newEvent(
      METADATA_TYPE,
      true,
      Buffer.from(JSON.stringify({ $tb: stop, $acl: ADMINS_ONLY })),
    );
    this.store.append(metastreamOf(this.stream), 'any', [metadata], (result) => {
      if (result.kind !== 'appended') this.report(`${this.stream} could not be truncated: ${result.kind}`);
    });
    return taken;
  }
}
