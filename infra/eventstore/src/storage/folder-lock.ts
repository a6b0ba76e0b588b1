import * as fs from 'node:fs';
import * as path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Another live process owns the data folder. */
export class FolderInUse extends Error {}

/**
 * Owns a data folder until released. The lock is SQLite's, on an empty database beside the log: the system lets go of it
 * when the process ends, however it ends, and it holds between containers that share the folder.
 */
export class FolderLock {
  private constructor(private readonly database: DatabaseSync) {}

  static acquire(directory: string): FolderLock {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(path.join(directory, 'lock'));
    const owner = path.join(directory, 'owner');
    try {
      database.exec('PRAGMA locking_mode = EXCLUSIVE');
      database.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      if (!(error instanceof Error) || !/locked|busy/.test(error.message)) throw error;
      let who = '';
      try {
        who = ` (process ${fs.readFileSync(owner, 'utf8').trim()})`;
      } catch {
        // The owner has not written its number yet.
      }
      throw new FolderInUse(
        `the data folder ${directory} is in use by another event store${who}; stop it, or choose another folder`,
      );
    }
    fs.writeFileSync(owner, `${process.pid}\n`);
    return new FolderLock(database);
  }

  release(): void {
    this.database.close();
  }
}
