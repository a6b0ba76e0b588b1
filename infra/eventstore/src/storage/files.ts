import * as fs from 'node:fs';
import * as path from 'node:path';

/** One open file. Reads and writes are positional; `write` reaches the operating system, `datasync` the disk. */
export interface FileHandle {
  /** Fills `target` from `position`; returns the number of bytes read, less than asked only at the end. */
  read(target: Buffer, position: number): number;
  /** Writes all of `source` at `position`, or throws. */
  write(source: Buffer, position: number): void;
  /** Resolves when everything written is on disk. */
  datasync(): Promise<void>;
  truncate(length: number): void;
  size(): number;
  close(): void;
}

/** The part of a file system that the store uses, so that tests can put a faulty disk in its place. */
export interface Files {
  open(file: string, mode: 'read' | 'write' | 'create'): FileHandle;
  exists(file: string): boolean;
  list(directory: string): string[];
  makeDirectory(directory: string): void;
  rename(from: string, to: string): void;
  remove(file: string): void;
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(directory: string): void;
}

class DiskFile implements FileHandle {
  constructor(private readonly descriptor: number) {}

  read(target: Buffer, position: number): number {
    let done = 0;
    while (done < target.length) {
      const read = fs.readSync(this.descriptor, target, done, target.length - done, position + done);
      if (read === 0) break;
      done += read;
    }
    return done;
  }

  write(source: Buffer, position: number): void {
    let done = 0;
    while (done < source.length) {
      done += fs.writeSync(this.descriptor, source, done, source.length - done, position + done);
    }
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.descriptor, (error) => (error ? reject(error) : resolve()));
    });
  }

  truncate(length: number): void {
    fs.ftruncateSync(this.descriptor, length);
  }

  size(): number {
    return fs.fstatSync(this.descriptor).size;
  }

  close(): void {
    fs.closeSync(this.descriptor);
  }
}

/** The real file system. */
export const disk: Files = {
  open: (file, mode) =>
    new DiskFile(fs.openSync(file, mode === 'read' ? 'r' : mode === 'write' ? 'r+' : 'w+', 0o600)),
  exists: (file) => fs.existsSync(file),
  list: (directory) => fs.readdirSync(directory),
  makeDirectory: (directory) => {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  },
  rename: (from, to) => fs.renameSync(from, to),
  remove: (file) => fs.rmSync(file, { force: true }),
  syncDirectory: (directory) => {
    const descriptor = fs.openSync(directory, 'r');
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  },
};

/** Replaces a small file so that a crash leaves either the old or the new content, never a mixture. */
export async function replaceFile(files: Files, file: string, content: Buffer): Promise<void> {
  const draft = `${file}.new`;
  const handle = files.open(draft, 'create');
  try {
    handle.write(content, 0);
    await handle.datasync();
  } finally {
    handle.close();
  }
  files.rename(draft, file);
  files.syncDirectory(path.dirname(file));
}

/** Reads a whole file. */
export function readWhole(files: Files, file: string): Buffer {
  const handle = files.open(file, 'read');
  try {
    const content = Buffer.allocUnsafe(handle.size());
    const read = handle.read(content, 0);
    return content.subarray(0, read);
  } finally {
    handle.close();
  }
}
