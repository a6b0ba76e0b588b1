import type { RecordView } from '../storage/record.js';
import type { Verdict } from '../storage/scavenge.js';
import type { EventStore } from './event-store.js';
import { isMetastream } from './metadata.js';
import { firstVisible } from './stored-streams.js';

/**
 * Says what a scavenge does with a record: events of a tombstoned stream go, its tombstone stays; of metadata only the
 * newest stays; what `$maxCount`, `$maxAge`, `$tb` or a soft delete hides goes, but of a stream's last event the
 * revision stays, so that numbering goes on.
 */
export function judge(store: EventStore, record: RecordView): Verdict {
  if (record.isEmpty) return 'drop';
  const { stream } = record;
  if (record.isTombstone) return 'keep';
  if (store.isTombstoned(stream)) return 'drop';
  const last = store.lastRevision(stream);
  if (isMetastream(stream)) return record.revision === last ? 'keep' : 'drop';
  const metadata = store.metadata(stream);
  const isHidden =
    record.isInvisible ||
    metadata.softDeleted ||
    record.revision < firstVisible(metadata, last) ||
    store.isExpired(metadata, record);
  if (!isHidden) return 'keep';
  return record.revision === last ? 'hollow' : 'drop';
}
