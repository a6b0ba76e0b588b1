import * as path from 'node:path';
import type { FileHandle, Files } from '../storage/files.js';

/** A seeded stream of numbers in [0, 1): mulberry32, by Tommy Ettinger, in the public domain. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

interface Inode {
  /** What a power cut leaves. */
  durable: Buffer;
  /** What reads see. */
  cached: Buffer;
  /** Written since the last sync, in order. */
  unsynced: { readonly at: number; readonly bytes: Buffer; readonly truncateTo?: number }[];
}

export type Fault = 'short-write' | 'no-space' | 'write-error' | 'sync-error';

const SECTOR = 512;

class NoSpace extends Error {
  readonly code = 'ENOSPC';
}

class InputOutputError extends Error {
  readonly code = 'EIO';
}

/**
 * A file system in memory that behaves like a disk on a bad day: what is not synced may be lost, whole or sector by
 * sector, at a crash; writes may stop halfway; a failed sync forgets what it should have written and succeeds the next
 * time, as Linux does.
 */
export class FaultyDisk implements Files {
  private cachedNames = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  private readonly pendingNames: ((names: Map<string, Inode>) => void)[] = [];
  /** Asked before each write and sync. */
  fault: (operation: 'write' | 'sync') => Fault | undefined = () => undefined;
  /** Files opened in an earlier life do nothing any more: the process that had them open is gone. */
  life = 0;
  writes = 0;
  syncs = 0;

  constructor(private readonly next: () => number) {}

  /** The disk as one process sees it, until the next crash or kill. */
  mount(): Files {
    const { life } = this;
    const alive = (): boolean => life === this.life;
    return {
      open: (file, mode) => {
        if (!alive()) throw new InputOutputError('EIO: the process is gone');
        return this.open(file, mode);
      },
      exists: (file) => this.exists(file),
      list: (directory) => this.list(directory),
      makeDirectory: () => {},
      rename: (from, to) => alive() && this.rename(from, to),
      remove: (file) => alive() && this.remove(file),
      syncDirectory: () => alive() && this.syncDirectory(),
    };
  }

  open(file: string, mode: 'read' | 'write' | 'create'): FileHandle {
    let inode = this.cachedNames.get(file);
    if (mode === 'create') {
      const made: Inode = { durable: Buffer.alloc(0), cached: Buffer.alloc(0), unsynced: [] };
      inode = made;
      this.cachedNames.set(file, made);
      this.pendingNames.push((names) => names.set(file, made));
    }
    if (inode === undefined) throw Object.assign(new Error(`ENOENT: ${file}`), { code: 'ENOENT' });
    return new FaultyFile(this, inode);
  }

  exists(file: string): boolean {
    return (
      this.cachedNames.has(file) || [...this.cachedNames.keys()].some((name) => path.dirname(name) === file)
    );
  }

  list(directory: string): string[] {
    return [...this.cachedNames.keys()]
      .filter((name) => path.dirname(name) === directory)
      .map((name) => path.basename(name));
  }

  makeDirectory(): void {}

  rename(from: string, to: string): void {
    const move = (names: Map<string, Inode>): void => {
      const inode = names.get(from);
      if (inode === undefined) return;
      names.delete(from);
      names.set(to, inode);
    };
    move(this.cachedNames);
    this.pendingNames.push(move);
  }

  remove(file: string): void {
    this.cachedNames.delete(file);
    this.pendingNames.push((names) => names.delete(file));
  }

  syncDirectory(): void {
    for (const change of this.pendingNames.splice(0)) change(this.durableNames);
  }

  /** The power goes: of what was not synced, the seed decides what is left. */
  crash(): void {
    this.life++;
    const kept = Math.floor(this.next() * (this.pendingNames.length + 1));
    for (const change of this.pendingNames.splice(0).slice(0, kept)) change(this.durableNames);
    for (const inode of new Set([...this.durableNames.values(), ...this.cachedNames.values()]))
      this.lose(inode);
    this.cachedNames = new Map(this.durableNames);
    this.fault = () => undefined;
  }

  /** The process is killed: everything written stays, whatever was synced. */
  kill(): void {
    this.life++;
    this.fault = () => undefined;
  }

  private lose(inode: Inode): void {
    let content = inode.durable;
    for (const { at, bytes, truncateTo } of inode.unsynced) {
      if (truncateTo !== undefined) {
        if (this.next() < 0.5) content = content.subarray(0, truncateTo);
        continue;
      }
      const fate = this.next();
      if (fate < 0.3) continue;
      if (fate < 0.6) {
        content = patch(content, at, bytes);
        continue;
      }
      for (let offset = 0; offset < bytes.length; ) {
        const end = Math.min(bytes.length, offset + SECTOR - ((at + offset) % SECTOR));
        if (this.next() < 0.5) content = patch(content, at + offset, bytes.subarray(offset, end));
        offset = end;
      }
    }
    inode.durable = content;
    inode.cached = Buffer.from(content);
    inode.unsynced = [];
  }

  /** Flips one bit of a file. */
  flip(file: string, byte: number, bit: number): void {
    const inode = this.cachedNames.get(file);
    const value = inode?.cached[byte];
    if (inode === undefined || value === undefined) throw new Error(`there is no byte ${byte} in ${file}`);
    inode.cached[byte] = value ^ (1 << bit);
    inode.durable = Buffer.from(inode.cached);
  }

  size(file: string): number {
    return this.cachedNames.get(file)?.cached.length ?? 0;
  }

  content(file: string): Buffer {
    return this.cachedNames.get(file)?.cached ?? Buffer.alloc(0);
  }

  get files(): string[] {
    return [...this.cachedNames.keys()];
  }
}

function patch(content: Buffer, at: number, bytes: Buffer): Buffer {
  const result = Buffer.alloc(Math.max(content.length, at + bytes.length));
  content.copy(result);
  bytes.copy(result, at);
  return result;
}

class FaultyFile implements FileHandle {
  constructor(
    private readonly disk: FaultyDisk,
    private readonly inode: Inode,
    private readonly life = disk.life,
  ) {}

  private get isDead(): boolean {
    return this.life !== this.disk.life;
  }

  read(target: Buffer, position: number): number {
    return this.inode.cached.copy(
      target,
      0,
      position,
      Math.min(this.inode.cached.length, position + target.length),
    );
  }

  write(source: Buffer, position: number): void {
    if (this.isDead) return;
    this.disk.writes++;
    const fault = this.disk.fault('write');
    if (fault === 'write-error') throw new InputOutputError('EIO: i/o error, write');
    const bytes = Buffer.from(fault === 'short-write' ? source.subarray(0, source.length >> 1) : source);
    if (fault !== 'no-space') {
      this.inode.cached = patch(this.inode.cached, position, bytes);
      this.inode.unsynced.push({ at: position, bytes });
    }
    if (fault === 'short-write' || fault === 'no-space')
      throw new NoSpace('ENOSPC: no space left on device, write');
  }

  async datasync(): Promise<void> {
    if (this.isDead) return new Promise(() => {});
    this.disk.syncs++;
    const fault = this.disk.fault('sync');
    await new Promise((resolve) => setImmediate(resolve));
    if (this.isDead) return new Promise(() => {});
    const pending = this.inode.unsynced;
    this.inode.unsynced = [];
    if (fault === 'sync-error') throw new InputOutputError('EIO: i/o error, fdatasync');
    let content = this.inode.durable;
    for (const { at, bytes, truncateTo } of pending) {
      content = truncateTo === undefined ? patch(content, at, bytes) : content.subarray(0, truncateTo);
    }
    this.inode.durable = content;
  }

  truncate(length: number): void {
    if (this.isDead) return;
    const { cached } = this.inode;
    this.inode.cached =
      length <= cached.length
        ? Buffer.from(cached.subarray(0, length))
        : patch(cached, length - 1, Buffer.alloc(1));
    this.inode.unsynced.push({ at: 0, bytes: Buffer.alloc(0), truncateTo: length });
  }

  size(): number {
    return this.inode.cached.length;
  }

  close(): void {}
}
