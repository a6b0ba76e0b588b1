import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { readStored, writeStored } from './stored-file.js';

const account = z.object({ subject: z.string(), name: z.string(), email: z.string() });
export type Account = z.infer<typeof account>;

/** The account that is always there. The demo registers its person by this subject before anybody signs in. */
export const DEMO_ACCOUNT: Account = { subject: 'demo', name: 'Demo', email: 'demo@oo.local' };

/** Accounts that can be made here by hand; beyond this the folder is to be emptied. */
export const MAX_ACCOUNTS = 100;

export const accountName = z
  .string()
  .transform((text) => text.normalize('NFC').trim().replace(/\s+/g, ' '))
  .pipe(
    z
      .string()
      .regex(/^[\p{L}\p{N}][\p{L}\p{M}\p{N} .'’-]{0,39}$/u, 'Use 1 to 40 letters, digits and spaces.'),
  );

/** Local accounts by name, kept in a folder. A name stands for the same account whatever its case. */
export class Accounts {
  /** Ends when the last write has ended, so that two never overlap. */
  private written: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    private accounts: readonly Account[],
  ) {}

  static async open(folder: string): Promise<Accounts> {
    const path = join(folder, 'accounts.json');
    const stored = await readStored(path);
    return new Accounts(path, stored === undefined ? [] : z.array(account).parse(stored));
  }

  /** The demo's first, then the others in the order in which they were made. */
  all(): readonly Account[] {
    return [DEMO_ACCOUNT, ...this.accounts];
  }

  bySubject(subject: string): Account | undefined {
    return this.all().find((known) => known.subject === subject);
  }

  /**
   * The account of this name, made and stored where there is none.
   * @returns undefined when {@link MAX_ACCOUNTS} are there already.
   */
  async ensure(name: string): Promise<Account | undefined> {
    const sameName = (known: Account) => known.name.toLowerCase() === name.toLowerCase();
    const known = this.all().find(sameName);
    if (known !== undefined) return known;
    if (this.accounts.length >= MAX_ACCOUNTS) return undefined;
    const id = randomBytes(8).toString('hex');
    const made: Account = { subject: `local-${id}`, name, email: `${id}@oo.local` };
    this.accounts = [...this.accounts, made];
    this.written = this.written.then(() => writeStored(this.path, this.accounts));
    await this.written;
    return made;
  }
}
