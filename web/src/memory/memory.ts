import type { CurrentTip } from '@oo/gateway';
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { Letter, LetterStore } from '../outbox/outbox.js';

/** What this device knows of the person who is signed in, for when the network is away. */
export interface Remembered {
  readonly userId: string;
  readonly name: string;
  readonly current: CurrentTip;
  /** The newest revision that an answer from here was recorded at; what the gateway shows must not be older. */
  readonly answeredAt?: string;
}

interface Schema extends DBSchema {
  person: { key: 'now'; value: Remembered };
  letters: { key: number; value: Letter; indexes: { key: string } };
}

/** The device's memory: the last tip, and letters that are not sent yet. Signing out forgets the first. */
export class Memory implements LetterStore {
  private constructor(private readonly db: IDBPDatabase<Schema>) {}

  static async open(): Promise<Memory> {
    const db = await openDB<Schema>('oo', 1, {
      upgrade(database) {
        database.createObjectStore('person');
        database
          .createObjectStore('letters', { autoIncrement: true })
          .createIndex('key', 'key', { unique: true });
      },
      // Another page of oO wants a newer database: this one steps aside and is as good as new after a reload.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    });
    return new Memory(db);
  }

  recall(): Promise<Remembered | undefined> {
    return this.db.get('person', 'now');
  }

  async remember(person: Remembered): Promise<void> {
    await this.db.put('person', person, 'now');
  }

  letters(): Promise<Letter[]> {
    return this.db.getAll('letters');
  }

  /** Keeps a letter and, in the same step, what is remembered after it: a reload shows neither without the other. */
  async write(letter: Letter, person?: Remembered): Promise<void> {
    const transaction = this.db.transaction(['letters', 'person'], 'readwrite');
    await Promise.all([
      transaction.objectStore('letters').add(letter),
      ...(person === undefined ? [] : [transaction.objectStore('person').put(person, 'now')]),
      transaction.done,
    ]);
  }

  async remove(key: string): Promise<void> {
    const transaction = this.db.transaction('letters', 'readwrite');
    const cursor = await transaction.store.index('key').openKeyCursor(key);
    if (cursor !== null) await transaction.store.delete(cursor.primaryKey);
    await transaction.done;
  }

  async replace(letter: Letter): Promise<void> {
    const transaction = this.db.transaction('letters', 'readwrite');
    const cursor = await transaction.store.index('key').openCursor(letter.key);
    await cursor?.update(letter);
    await transaction.done;
  }

  async forgetPerson(): Promise<void> {
    await this.db.clear('person');
  }
}
