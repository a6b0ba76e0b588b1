import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { ProblemError, problem, type UserId, UUID, userId } from '@oo/contracts';
import type { Vault } from './vault.js';

/** A token as it can be shown again and again: without the token. */
export interface AccessToken {
  readonly id: string;
  readonly userId: UserId;
  /** The producer that it was given to; signals that come with it carry this name. */
  readonly name: string;
  readonly createdAt: Date;
}

export const MAX_TOKENS = 50;
const PRODUCER = /^[a-zA-Z][a-zA-Z0-9._-]{0,63}$/;
/** Names of oO's own producers, so that nobody's token can pass for one of them. */
const RESERVED = ['page', 'profile', 'signals', 'tips'];
/** `oo_` and 256 random bits in base64url. */
const TOKEN = /^oo_[A-Za-z0-9_-]{43}$/;

/**
 * Makes a token that acts for one person. The token is in the answer and nowhere else.
 * @throws ProblemError `invalid-input` when the name cannot be a producer's, or there are {@link MAX_TOKENS} already
 */
export async function createToken(
  vault: Vault,
  user: UserId,
  name: string,
): Promise<AccessToken & { token: string }> {
  if (!PRODUCER.test(name) || RESERVED.includes(name)) {
    throw invalid(
      'name',
      `has to be a letter and up to 63 letters, digits, ".", "_" or "-", and not ${RESERVED.join(', ')}`,
    );
  }
  if ((await listTokens(vault, user)).length >= MAX_TOKENS) {
    throw invalid('name', `there are ${MAX_TOKENS} tokens already; revoke one first`);
  }
  const token = `oo_${randomBytes(32).toString('base64url')}`;
  const made: AccessToken = { id: randomUUID(), userId: user, name, createdAt: new Date() };
  await vault.db
    .insertInto('access_token')
    .values({ id: made.id, hash: hashOf(token), user_id: user, name, created_at: made.createdAt })
    .execute();
  return { ...made, token };
}

/** A person's tokens, the newest first. */
export async function listTokens(vault: Vault, user: UserId): Promise<AccessToken[]> {
  const rows = await vault.db
    .selectFrom('access_token')
    .select(['id', 'user_id', 'name', 'created_at'])
    .where('user_id', '=', user)
    .orderBy('created_at', 'desc')
    .execute();
  return rows.map(({ id, user_id, name, created_at }) => ({
    id,
    userId: userId(user_id),
    name,
    createdAt: created_at,
  }));
}

/** @returns false when this person has no such token. */
export async function revokeToken(vault: Vault, user: UserId, id: string): Promise<boolean> {
  if (!UUID.test(id)) return false;
  const { numDeletedRows } = await vault.db
    .deleteFrom('access_token')
    .where('id', '=', id)
    .where('user_id', '=', user)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Whose token this is, or undefined where it is none (any more). */
export async function verifyToken(
  vault: Vault,
  token: string,
): Promise<{ userId: UserId; name: string } | undefined> {
  if (!TOKEN.test(token)) return undefined;
  // The token is 256 random bits, so a plain hash cannot be reversed by trying, and its time says nothing.
  const row = await vault.db
    .selectFrom('access_token')
    .select(['user_id', 'name'])
    .where('hash', '=', hashOf(token))
    .executeTakeFirst();
  return row === undefined ? undefined : { userId: userId(row.user_id), name: row.name };
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function invalid(field: string, message: string): ProblemError {
  return new ProblemError(
    problem('invalid-input', `Correct and try again. ${field}: ${message}`, [{ field, message }]),
  );
}
