import type { RecordView } from '../storage/record.js';

/** An event on its way to a consumer. */
export interface Message {
  /** Of the record that was read: the link, if there is one. Consumers acknowledge by it. */
  readonly id: string;
  readonly event: RecordView | undefined;
  readonly link: RecordView | undefined;
  /** Its place in the source; undefined for a replayed parked message. */
  readonly place: number | undefined;
  retries: number;
  /** Given when it is first sent: checkpoints are counted in it. */
  sequence: number | undefined;
  /** The place of the message sent before it: up to there all is done when this is the oldest one outstanding. */
  previous: number | undefined;
  /** When it is given up on, in milliseconds. */
  expires: number;
}

export function recordOf(message: Message): RecordView {
  const record = message.link ?? message.event;
  if (record === undefined) throw new Error('a message has an event or a link');
  return record;
}

export function keyOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1');
}
