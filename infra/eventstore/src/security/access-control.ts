import { type Metadata, status } from '@grpc/grpc-js';
import type { Access, Caller } from '../grpc/access.js';
import { RpcError } from '../grpc/errors.js';
import { RecordReader } from '../storage/record-reader.js';
import type { EventStore } from '../streams/event-store.js';
import { isMetastream, originalOf, parseAcl, type StreamAcl } from '../streams/metadata.js';
import type { Users } from './users.js';

const ANONYMOUS: Caller = { name: 'anonymous', groups: [], anonymous: true };
const EVERYONE = ['$all'];
const ADMINS = ['$admins'];
const USER_STREAMS: StreamAcl = {
  read: EVERYONE,
  write: EVERYONE,
  delete: EVERYONE,
  metaRead: EVERYONE,
  metaWrite: EVERYONE,
};
const SYSTEM_STREAMS: StreamAcl = {
  read: ADMINS,
  write: ADMINS,
  delete: ADMINS,
  metaRead: ADMINS,
  metaWrite: ADMINS,
};
const SETTINGS_STREAM = '$settings';

/** Basic credentials from an `authorization` header, or undefined when they are none. */
export function basicCredentials(header: string): { login: string; password: string } | undefined {
  const match = /^basic\s+([a-z0-9+/=]+)\s*$/i.exec(header);
  if (match === null) return undefined;
  const text = Buffer.from(match[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { login: text.slice(0, colon), password: text.slice(colon + 1) };
}

/**
 * EventStoreDB's rules. A stream's own ACL comes first, then the defaults in `$settings`, then: user streams are
 * everyone's, streams whose name begins with `$` the administrators'. Administrators may do everything.
 */
export class AccessControl implements Access {
  private readonly reader: RecordReader;
  private settings:
    | { revision: number; user: StreamAcl | undefined; system: StreamAcl | undefined }
    | undefined;

  constructor(
    private readonly store: EventStore,
    private readonly users: Users,
    /** Whether those without credentials may use streams that are everyone's. */
    private readonly allowAnonymous: boolean,
  ) {
    this.reader = new RecordReader(store.log);
  }

  caller(metadata: Metadata): Caller | Promise<Caller> {
    const header = metadata.get('authorization')[0];
    return header === undefined ? ANONYMOUS : this.authenticate(header.toString());
  }

  /** @throws RpcError UNAUTHENTICATED */
  async authenticate(header: string): Promise<Caller> {
    const credentials = basicCredentials(header);
    const user =
      credentials === undefined
        ? undefined
        : await this.users.authenticate(credentials.login, credentials.password);
    if (user === undefined) throw new RpcError(status.UNAUTHENTICATED, 'The credentials are not valid.');
    return { name: user.loginName, groups: user.groups, anonymous: false };
  }

  isAdmin(caller: Caller): boolean {
    return caller.name === 'admin' || caller.groups.includes('$admins');
  }

  isOperator(caller: Caller): boolean {
    return this.isAdmin(caller) || caller.name === 'ops' || caller.groups.includes('$ops');
  }

  isKnown(caller: Caller): boolean {
    return !caller.anonymous;
  }

  mayStream(caller: Caller, operation: 'read' | 'write' | 'delete', stream: string): boolean {
    if (this.isAdmin(caller)) return true;
    if (caller.anonymous && !this.allowAnonymous) return false;
    let roles: readonly string[];
    if (isMetastream(stream)) {
      if (operation === 'delete') return false;
      roles = this.roles(originalOf(stream), operation === 'read' ? 'metaRead' : 'metaWrite');
    } else {
      roles = this.roles(stream, operation);
    }
    return roles.some((role) => role === '$all' || role === caller.name || caller.groups.includes(role));
  }

  private roles(stream: string, operation: keyof StreamAcl): readonly string[] {
    const own = stream === '$all' ? undefined : this.store.metadata(stream).acl?.[operation];
    if (own !== undefined) return own;
    const defaults = this.defaults();
    if (stream.startsWith('$')) return defaults.system?.[operation] ?? SYSTEM_STREAMS[operation] ?? ADMINS;
    return defaults.user?.[operation] ?? USER_STREAMS[operation] ?? EVERYONE;
  }

  /** The defaults that an administrator wrote to `$settings`. */
  private defaults(): { user: StreamAcl | undefined; system: StreamAcl | undefined } {
    const revision = this.store.lastRevision(SETTINGS_STREAM);
    if (this.settings?.revision !== revision) {
      let user: StreamAcl | undefined;
      let system: StreamAcl | undefined;
      const record = this.store.readBackwards(SETTINGS_STREAM, 'end', 1, this.reader).records[0];
      if (record !== undefined) {
        try {
          const parsed: unknown = JSON.parse(record.data.toString('utf8'));
          if (typeof parsed === 'object' && parsed !== null) {
            user = '$userStreamAcl' in parsed ? parseAcl(parsed.$userStreamAcl) : undefined;
            system = '$systemStreamAcl' in parsed ? parseAcl(parsed.$systemStreamAcl) : undefined;
          }
        } catch {
          // Settings that do not parse leave the defaults in force, as in EventStoreDB.
        }
      }
      this.settings = { revision, user, system };
    }
    return this.settings;
  }
}
