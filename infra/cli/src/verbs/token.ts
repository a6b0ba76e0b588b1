import type { RunFile } from '@oo/embedded';
import { renewToken, resolveIn, type TokenOfPerson, withVaultOf } from '../people.js';

/** A new token of this name for a person; the one before it ends. */
export const tokenOf = (run: RunFile, user: string, name: string): Promise<TokenOfPerson> =>
  withVaultOf(run, async (vault) => {
    const userId = await resolveIn(vault, user);
    return { userId, token: await renewToken(vault, userId, name) };
  });
