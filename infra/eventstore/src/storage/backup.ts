import * as path from 'node:path';
import type { Files } from './files.js';
import {
  FORMAT_VERSION,
  manifestExists,
  readManifest,
  type SegmentEntry,
  writeManifest,
} from './manifest.js';
import { indexFileOf, SEGMENT_HEADER_SIZE } from './segment.js';
import { readMark, SyncedMark } from './synced-mark.js';
import { verifyFolder } from './verify.js';

export interface CopyOptions {
  readonly files: Files;
  readonly from: string;
  readonly to: string;
  readonly progress?: (file: string, doneBytes: number, totalBytes: number) => void;
}

export interface CopyReport {
  readonly copiedBytes: number;
  readonly reusedBytes: number;
  /** The position up to which the copy holds the log. */
  readonly position: number;
}

/** The folders do not belong together, or the target cannot be used. */
export class CopyRefused extends Error {}

const CHUNK = 4 << 20;

/**
 * Copies a data folder, also while a server writes to it. What is in the copy is what was durable at one moment: sealed
 * segments do not change, and of the active one the synced part is taken. A second backup to the same place copies only
 * what is new, and removes what a scavenge has removed since.
 */
export async function backup({ files, from, to, progress }: CopyOptions): Promise<CopyReport> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await copyOnce(files, from, to, progress);
    } catch (error) {
      // A scavenge took a file away between the manifest and the copy: the next manifest names its successor.
      const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (!isGone || attempt >= 5) throw error;
    }
  }
}

async function copyOnce(
  files: Files,
  from: string,
  to: string,
  progress: CopyOptions['progress'],
): Promise<CopyReport> {
  if (!manifestExists(files, from)) throw new CopyRefused(`${from} holds no event store`);
  const manifest = readManifest(files, from);
  // Read after the manifest: all below it is durable, in these segments or in later ones.
  const synced = readMark(files, from);
  files.makeDirectory(to);
  const earlier = manifestExists(files, to) ? readManifest(files, to) : undefined;
  if (earlier !== undefined && earlier.id !== manifest.id) {
    throw new CopyRefused(`${to} holds a backup of another event store; choose an empty folder`);
  }
  if (earlier === undefined && files.list(to).length > 0) {
    throw new CopyRefused(`${to} is not empty and holds no backup; choose an empty folder`);
  }
  const plan: { file: string; size: number; append: boolean }[] = [];
  let position = 0;
  for (const entry of manifest.segments) {
    const size = lengthOf(entry, synced);
    plan.push({ file: entry.file, size, append: true });
    position = entry.end ?? entry.base + size;
    if (entry.end !== undefined) {
      const index = indexFileOf(entry.file);
      if (files.exists(path.join(from, index)))
        plan.push({ file: index, size: sizeOf(files, path.join(from, index)), append: false });
    }
  }
  const total = plan.reduce((sum, { size }) => sum + size, 0);
  let copiedBytes = 0;
  let reusedBytes = 0;
  for (const { file, size, append } of plan) {
    const target = path.join(to, file);
    // A file with this name and this size is the same one: segments only grow, and a rewritten one has a new name.
    const there = files.exists(target) ? sizeOf(files, target) : 0;
    const start = there === size || (append && there < size && there >= SEGMENT_HEADER_SIZE) ? there : 0;
    reusedBytes += start;
    if (start < size) {
      await copyRange(files, path.join(from, file), target, start, size, (done) =>
        progress?.(file, copiedBytes + reusedBytes + done, total),
      );
    } else if (there > size) truncate(files, target, size);
    copiedBytes += size - start;
    progress?.(file, copiedBytes + reusedBytes, total);
  }
  const mark = SyncedMark.open(files, to);
  mark.write(position);
  mark.close();
  files.syncDirectory(to);
  await writeManifest(files, to, { format: FORMAT_VERSION, id: manifest.id, segments: manifest.segments });
  const known = new Set(plan.map(({ file }) => file));
  for (const name of files.list(to)) {
    if (/^\d{8}(-\d+)?\.(log|idx)$/.test(name) && !known.has(name)) files.remove(path.join(to, name));
  }
  files.syncDirectory(to);
  return { copiedBytes, reusedBytes, position };
}

/** How much of a segment's file belongs to it. */
function lengthOf({ base, end, compactedSize }: SegmentEntry, synced: number): number {
  return compactedSize ?? (end === undefined ? Math.max(SEGMENT_HEADER_SIZE, synced - base) : end - base);
}

function sizeOf(files: Files, file: string): number {
  const handle = files.open(file, 'read');
  try {
    return handle.size();
  } finally {
    handle.close();
  }
}

function truncate(files: Files, file: string, size: number): void {
  const handle = files.open(file, 'write');
  handle.truncate(size);
  handle.close();
}

async function copyRange(
  files: Files,
  from: string,
  to: string,
  start: number,
  end: number,
  progress: (done: number) => void,
): Promise<void> {
  const source = files.open(from, 'read');
  const target = files.open(to, start === 0 ? 'create' : 'write');
  try {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - start));
    for (let at = start; at < end; ) {
      const read = source.read(buffer.subarray(0, Math.min(buffer.length, end - at)), at);
      if (read === 0)
        throw new CopyRefused(`${from} ends at ${at}, before the ${end} bytes that it should have`);
      target.write(buffer.subarray(0, read), at);
      at += read;
      progress(at - start);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await target.datasync();
  } finally {
    source.close();
    target.close();
  }
}

/** Copies a backup into an empty folder, from which a server then starts. The backup is verified first. */
export async function restore(options: CopyOptions): Promise<CopyReport> {
  const { files, from, to, progress } = options;
  if (files.exists(to) && files.list(to).length > 0) {
    throw new CopyRefused(`${to} is not empty; a backup is restored into an empty folder`);
  }
  const report = verifyFolder({
    files,
    directory: from,
    progress: (file, done, total) => {
      if (done < total) progress?.(`verifying ${file}`, done, total);
    },
  });
  if (report.damage.length > 0) {
    throw new CopyRefused(
      `the backup in ${from} is damaged in ${report.damage.length} places; run verify on it`,
    );
  }
  return backup(options);
}
