import * as path from 'node:path';
import { crc32 } from 'node:zlib';
import type { FileHandle, Files } from './files.js';

const NAME = 'synced';

/**
 * How far the log was synced, written after each sync and not itself synced: it survives a killed process, and after a
 * power cut it is at worst old. Below it a broken record is damage, above it a torn tail that nobody was told of.
 */
export class SyncedMark {
  private readonly buffer = Buffer.alloc(12);

  private constructor(private readonly handle: FileHandle) {}

  static open(files: Files, directory: string): SyncedMark {
    const file = path.join(directory, NAME);
    return new SyncedMark(files.open(file, files.exists(file) ? 'write' : 'create'));
  }

  write(position: number): void {
    this.buffer.writeUIntLE(position, 0, 6);
    this.buffer.writeUInt32LE(crc32(this.buffer.subarray(0, 8)), 8);
    try {
      this.handle.write(this.buffer, 0);
    } catch {
      // The mark only sharpens what recovery can tell; the records themselves are synced.
    }
  }

  close(): void {
    this.handle.close();
  }
}

/** The position up to which the log was synced at least; 0 when nothing is known. */
export function readMark(files: Files, directory: string): number {
  const file = path.join(directory, NAME);
  if (!files.exists(file)) return 0;
  const handle = files.open(file, 'read');
  try {
    const mark = Buffer.alloc(12);
    if (handle.read(mark, 0) < 12 || mark.readUInt32LE(8) !== crc32(mark.subarray(0, 8))) return 0;
    return mark.readUIntLE(0, 6);
  } finally {
    handle.close();
  }
}
