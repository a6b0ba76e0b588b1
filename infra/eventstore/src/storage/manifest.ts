import * as path from 'node:path';
import { type Files, readWhole, replaceFile } from './files.js';

/** The version of everything in a data folder: manifest, segments, records. An index has its own and is rebuilt. */
export const FORMAT_VERSION = 1;

export interface SegmentEntry {
  readonly number: number;
  /** The log position at which the segment begins, its header included. */
  readonly base: number;
  /** The position after its last record; absent for the one that is being written. */
  readonly end?: number;
  readonly file: string;
  /**
   * Records were taken out, so that a place in the file is no longer position − base: the bytes that the file has.
   * Absent for a segment as it was written.
   */
  readonly compactedSize?: number;
}

export interface Manifest {
  readonly format: number;
  /** Identifies the data folder; backups carry it. */
  readonly id: string;
  readonly segments: readonly SegmentEntry[];
}

const NAME = 'manifest.json';

export function manifestExists(files: Files, directory: string): boolean {
  return files.exists(path.join(directory, NAME));
}

export function readManifest(files: Files, directory: string): Manifest {
  const parsed: unknown = JSON.parse(readWhole(files, path.join(directory, NAME)).toString('utf8'));
  if (!isManifest(parsed)) {
    throw new Error(
      `${path.join(directory, NAME)} is not a manifest of an event store; restore it from a backup`,
    );
  }
  if (parsed.format !== FORMAT_VERSION) {
    throw new Error(
      `the data folder ${directory} has format ${parsed.format}, this server reads format ${FORMAT_VERSION}; ` +
        'start it with the version that wrote it',
    );
  }
  return parsed;
}

export function writeManifest(files: Files, directory: string, manifest: Manifest): Promise<void> {
  return replaceFile(
    files,
    path.join(directory, NAME),
    Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`),
  );
}

function isManifest(value: unknown): value is Manifest {
  return (
    typeof value === 'object' &&
    value !== null &&
    'format' in value &&
    typeof value.format === 'number' &&
    'id' in value &&
    typeof value.id === 'string' &&
    'segments' in value &&
    Array.isArray(value.segments) &&
    value.segments.length > 0 &&
    value.segments.every(
      (segment: unknown) =>
        typeof segment === 'object' &&
        segment !== null &&
        'number' in segment &&
        'base' in segment &&
        'file' in segment &&
        typeof segment.file === 'string' &&
        path.basename(segment.file) === segment.file,
    )
  );
}
