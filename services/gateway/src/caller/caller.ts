import { type Sessions, type Vault, verifyToken } from '@oo/auth';
import type { UserId } from '@oo/contracts';
import type { FastifyRequest } from 'fastify';

/** Who a request acts for. */
export interface Caller {
  readonly userId: UserId;
  /** The name under which its signals are recorded: `page`, or the access token's. */
  readonly producer: string;
  /** How the page may greet them; a token knows no name. */
  readonly name: string;
}

export const PAGE = 'page';

/** Finds out who calls: an access token before a session. */
export class Callers {
  constructor(
    private readonly vault: Vault,
    private readonly sessions: Sessions,
  ) {}

  /** @returns undefined where the request has no credentials, or none that are valid */
  async of(request: FastifyRequest): Promise<Caller | undefined> {
    const authorization = request.headers.authorization;
    if (authorization !== undefined) {
      const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
      const found = token === undefined ? undefined : await verifyToken(this.vault, token);
      return found === undefined ? undefined : { userId: found.userId, producer: found.name, name: '' };
    }
    const cookie = request.headers.cookie;
    if (cookie === undefined) return undefined;
    const session = await this.sessions.signedIn(new Headers({ cookie }));
    return session === undefined ? undefined : { ...session, producer: PAGE };
  }
}
