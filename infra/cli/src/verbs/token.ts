import type { RunFile } from '@oo/embedded';
import { renewToken, resolveUser, type TokenOfPerson, withVaultOf } from '../people.js';

/** A new token of this name for a person; the one before it ends. */
export async function tokenOf(run: RunFile, user: string, name: string): Promise<TokenOfPerson> {
  const userId = await resolveUser(run, user);
  return { userId, token: await withVaultOf(run, (vault) => renewToken(vault, userId, name)) };
}
