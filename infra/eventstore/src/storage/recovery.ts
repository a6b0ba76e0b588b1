import * as path from 'node:path';
import type { FileHandle, Files } from './files.js';
import type { SegmentEntry } from './manifest.js';
import {
  addToIndex,
  DamagedLog,
  describeDamage,
  SEGMENT_HEADER_SIZE,
  type Segment,
  scanSegment,
} from './segment.js';
import { OpenIndex } from './segment-index.js';

/** What was cut off the end of the log at the start. */
export interface TornTail {
  readonly position: number;
  readonly bytes: number;
  /** Whole records among them, of an append that was not finished. */
  readonly records: number;
}

/** Files that a crash left behind: drafts, segments that never came into the manifest or went out of it. */
export function removeStrays(
  files: Files,
  directory: string,
  entries: readonly SegmentEntry[],
  report: (message: string) => void,
): void {
  const known = new Set(entries.flatMap((entry) => [entry.file, entry.file.replace(/\.log$/, '.idx')]));
  for (const name of files.list(directory)) {
    if (name.endsWith('.new') || (/^\d{8}(-\d+)?\.(log|idx)$/.test(name) && !known.has(name))) {
      files.remove(path.join(directory, name));
      report(`removed ${name}, left behind by an interrupted start, roll or scavenge`);
    }
  }
}

/** Reads the segment that was being written, cuts a torn tail off, and refuses damage before the synced mark. */
export async function recoverActive(
  segment: Segment,
  synced: number,
  report: (message: string) => void,
): Promise<TornTail | undefined> {
  const index = new OpenIndex(segment.base);
  const size = segment.handle.size();
  const scan = scanSegment(segment.handle, segment.base, false, size, (record) => addToIndex(index, record));
  segment.open = index;
  segment.end = segment.base + scan.end;
  if (segment.end < synced) {
    throw new DamagedLog([
      describeDamage(
        segment.handle,
        segment.file,
        segment.base,
        scan.fault?.place ?? scan.end,
        scan.fault?.reason ?? 'beyond the end',
      ),
    ]);
  }
  if (size > scan.end) segment.handle.truncate(scan.end);
  // What a killed process wrote above the mark is in the file, but perhaps not on the disk; and if its sync had failed,
  // the kernel holds it for clean and would never write it. It counts as durable from here on, so it is written anew.
  rewriteRange(segment.handle, Math.max(SEGMENT_HEADER_SIZE, synced - segment.base), scan.end);
  await segment.handle.datasync();
  if (scan.fault === undefined && scan.unfinished === 0) return undefined;
  const cut = { position: segment.end, bytes: size - scan.end, records: scan.unfinished };
  report(
    `cut ${cut.bytes} bytes at position ${cut.position}: an append that was being written when the server ` +
      'stopped, never acknowledged',
  );
  return cut;
}

function rewriteRange(handle: FileHandle, from: number, to: number): void {
  const buffer = Buffer.allocUnsafe(1 << 20);
  for (let at = from; at < to; ) {
    const read = handle.read(buffer.subarray(0, Math.min(buffer.length, to - at)), at);
    if (read === 0) return;
    handle.write(buffer.subarray(0, read), at);
    at += read;
  }
}
