import type { RecordView } from '../storage/record.js';
import type { RecordReader } from '../storage/record-reader.js';
import type { EventStore } from './event-store.js';

export const LINK_TYPE = '$>';

export interface ResolvedRecord {
  readonly event: RecordView | undefined;
  readonly link: RecordView | undefined;
}

/** The stream and revision (−1: the last) that a link names, or undefined when the record is no link. */
export function linkTarget(record: RecordView): { stream: string; revision: number } | undefined {
  if (record.isJson || record.typeLength !== 2 || record.type !== LINK_TYPE) return undefined;
  const match = /^(-1|\d{1,15})@(.+)$/s.exec(record.data.toString('utf8'));
  return match === null ? undefined : { revision: Number(match[1]), stream: match[2] ?? '' };
}

/** Follows a link one step. A target that is gone, or that `mayRead` refuses, leaves the link alone. */
export function resolve(
  store: EventStore,
  record: RecordView,
  reader: RecordReader,
  mayRead: (stream: string) => boolean,
): ResolvedRecord {
  if (record.isJson || record.typeLength !== 2 || record.type !== LINK_TYPE)
    return { event: record, link: undefined };
  const target = linkTarget(record);
  if (target === undefined) return { event: record, link: undefined };
  if (!mayRead(target.stream)) return { event: undefined, link: record };
  return { event: store.visibleRecord(target.stream, target.revision, reader), link: record };
}
