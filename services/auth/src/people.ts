import { randomBytes } from 'node:crypto';
import { newUserId, type UserId, userId } from '@oo/contracts';
import type { Vault } from './vault.js';

/** What an identity provider calls somebody. */
export interface ProviderIdentity {
  /** The provider's issuer URL. */
  readonly issuer: string;
  readonly subject: string;
}

export interface Person extends ProviderIdentity {
  readonly userId: UserId;
  readonly createdAt: Date;
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * The name under which an issuer is kept. A provider on loopback is this machine's own, whatever port it was given
 * today; its accounts must not become new people when the port is taken tomorrow.
 */
export function issuerName(issuer: string): string {
  const url = URL.parse(issuer);
  return url !== null && LOOPBACK.has(url.hostname) ? 'local' : issuer.replace(/\/$/, '');
}

/** The pseudonym of somebody, made at random where there is none yet. Safe to call by several at once. */
export async function ensurePerson(vault: Vault, identity: ProviderIdentity): Promise<UserId> {
  const known = await findPerson(vault, identity);
  if (known !== undefined) return known;
  await vault.db
    .insertInto('person')
    .values({
      issuer: issuerName(identity.issuer),
      subject: identity.subject,
      user_id: newUserId(vault.tenant, randomBytes(16)),
      created_at: new Date(),
    })
    .onConflict((conflict) => conflict.columns(['issuer', 'subject']).doNothing())
    .execute();
  const made = await findPerson(vault, identity);
  if (made === undefined) throw new Error('a person was removed while being made');
  return made;
}

export async function findPerson(
  vault: Vault,
  { issuer, subject }: ProviderIdentity,
): Promise<UserId | undefined> {
  const row = await vault.db
    .selectFrom('person')
    .select('user_id')
    .where('issuer', '=', issuerName(issuer))
    .where('subject', '=', subject)
    .executeTakeFirst();
  return row === undefined ? undefined : userId(row.user_id);
}

/** The pseudonym itself where somebody in the vault has it. */
export async function findPseudonym(vault: Vault, user: UserId): Promise<UserId | undefined> {
  const row = await vault.db
    .selectFrom('person')
    .select('user_id')
    .where('user_id', '=', user)
    .executeTakeFirst();
  return row === undefined ? undefined : user;
}

/** Everybody in the vault, the newest first. */
export async function listPeople(vault: Vault, limit = 1000): Promise<Person[]> {
  const rows = await vault.db
    .selectFrom('person')
    .selectAll()
    .orderBy('created_at', 'desc')
    .limit(limit)
    .execute();
  return rows.map(({ issuer, subject, user_id, created_at }) => ({
    issuer,
    subject,
    userId: userId(user_id),
    createdAt: created_at,
  }));
}
