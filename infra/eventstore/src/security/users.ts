import { createHash } from 'node:crypto';
import { RecordReader } from '../storage/record-reader.js';
import type { AppendResult, EventStore, ExpectedRevision } from '../streams/event-store.js';
import { METADATA_TYPE, metastreamOf } from '../streams/metadata.js';
import { newEvent } from '../streams/new-event.js';
import { hashPassword, type PasswordHash, verifyPassword } from './passwords.js';

export interface User extends PasswordHash {
  readonly loginName: string;
  readonly fullName: string;
  readonly groups: readonly string[];
  readonly disabled: boolean;
}

export interface UserDetails extends User {
  /** Microseconds since 1970. */
  readonly updated: number;
}

export class UserMissing extends Error {}
export class UserConflict extends Error {}
export class UserWriteFailed extends Error {}
export class WrongPassword extends Error {}

const USERS_STREAM = '$users';
const ACL = JSON.stringify({ $acl: { $w: '$admins', $d: '$admins', $mw: '$admins' } });
const REMEMBERED = 1000;

const streamOf = (login: string): string => `$user-${login}`;

/** The accounts, kept as events in the same streams as EventStoreDB keeps them. */
export class Users {
  private readonly reader: RecordReader;
  /** Digests of credentials that were right, so that a password is derived once and not at every call. */
  private readonly verified = new Map<string, { readonly login: string; readonly revision: number }>();

  constructor(private readonly store: EventStore) {
    this.reader = new RecordReader(store.log);
  }

  find(login: string): UserDetails | undefined {
    const record = this.store.readBackwards(streamOf(login), 'end', 1, this.reader).records[0];
    if (record === undefined) return undefined;
    const user = parseUser(record.data);
    return user === undefined ? undefined : { ...user, updated: record.created };
  }

  all(): UserDetails[] {
    const logins = new Set<string>();
    for (let next = 0; ; ) {
      const slice = this.store.readForwards(USERS_STREAM, next, 500, this.reader);
      for (const record of slice.records) logins.add(record.data.toString('utf8'));
      if (slice.end) break;
      next = slice.next;
    }
    return [...logins]
      .map((login) => this.find(login))
      .filter((user) => user !== undefined)
      .sort((a, b) => (a.loginName < b.loginName ? -1 : 1));
  }

  /** The user with these credentials, undefined when they are wrong or the account is disabled. */
  async authenticate(login: string, password: string): Promise<User | undefined> {
    const user = this.find(login);
    if (user === undefined || user.disabled) return undefined;
    const digest = createHash('sha256').update(`${login.length}:${login}${password}`).digest('base64');
    const revision = this.store.lastRevision(streamOf(login));
    const known = this.verified.get(digest);
    if (known?.login === login && known.revision === revision) return user;
    if (!(await verifyPassword(password, user))) return undefined;
    if (this.verified.size >= REMEMBERED) this.verified.clear();
    this.verified.set(digest, { login, revision });
    return user;
  }

  /** @throws UserConflict when the name is taken by someone with another password. */
  async create(login: string, password: string, fullName: string, groups: readonly string[]): Promise<void> {
    const existing = this.find(login);
    if (existing !== undefined) {
      if (await verifyPassword(password, existing)) return;
      throw new UserConflict();
    }
    const user = { loginName: login, fullName, groups, disabled: false, ...(await hashPassword(password)) };
    const last = this.store.lastRevision(streamOf(login));
    await this.write(metastreamOf(streamOf(login)), METADATA_TYPE, ACL, 'any');
    await this.write(streamOf(login), '$UserCreated', JSON.stringify(user), last < 0 ? 'no_stream' : last);
    await this.write(USERS_STREAM, '$User', login, 'any', false);
  }

  /** @throws UserMissing */
  async change(login: string, change: (user: User) => User | Promise<User>): Promise<void> {
    const found = this.find(login);
    if (found === undefined) throw new UserMissing();
    const last = this.store.lastRevision(streamOf(login));
    const { updated: _, ...user } = found;
    await this.write(streamOf(login), '$UserUpdated', JSON.stringify(await change(user)), last);
  }

  setPassword(login: string, password: string): Promise<void> {
    return this.change(login, async (user) => ({ ...user, ...(await hashPassword(password)) }));
  }

  /** @throws WrongPassword, UserMissing */
  changePassword(login: string, current: string, next: string): Promise<void> {
    return this.change(login, async (user) => {
      if (!(await verifyPassword(current, user))) throw new WrongPassword();
      return { ...user, ...(await hashPassword(next)) };
    });
  }

  /** @throws UserMissing */
  async delete(login: string): Promise<void> {
    if (this.find(login) === undefined) throw new UserMissing();
    const result = await new Promise<AppendResult>((done) =>
      this.store.delete(streamOf(login), 'any', false, done),
    );
    if (result.kind === 'failed') throw new UserWriteFailed(result.reason);
  }

  private async write(
    stream: string,
    type: string,
    data: string,
    expected: ExpectedRevision,
    json = true,
  ): Promise<void> {
    const event = newEvent(type, json, Buffer.from(data));
    const result = await new Promise<AppendResult>((done) =>
      this.store.append(stream, expected, [event], done),
    );
    if (result.kind === 'wrong-expected-version') throw new UserConflict();
    if (result.kind !== 'appended')
      throw new UserWriteFailed(result.kind === 'failed' ? result.reason : result.kind);
  }
}

function parseUser(json: Buffer): User | undefined {
  const parsed: unknown = JSON.parse(json.toString('utf8'));
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(parsed));
  const text = (name: string): string => {
    const value = fields.get(name);
    return typeof value === 'string' ? value : '';
  };
  const groups = fields.get('groups');
  return {
    loginName: text('loginName'),
    fullName: text('fullName'),
    hash: text('hash'),
    salt: text('salt'),
    disabled: fields.get('disabled') === true,
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [],
  };
}
