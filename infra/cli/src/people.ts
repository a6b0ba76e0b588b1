import {
  createToken,
  ensurePerson,
  findPerson,
  findPseudonym,
  listTokens,
  openVault,
  type ProviderIdentity,
  revokeToken,
  type Vault,
} from '@oo/auth';
import { isUserId, tenantId, type UserId } from '@oo/contracts';
import type { RunFile } from '@oo/embedded';
import { CommandError, EXIT } from './output.js';
import { addressOf } from './running.js';

/** Whom the demo's life is played as, and who signs in with one click. */
export const DEMO_IDENTITY: ProviderIdentity = { issuer: 'http://localhost', subject: 'demo' };

/** Somebody made by `oo person`: no identity provider knows them, so they act by token only. */
export const commandLineIdentity = (name: string): ProviderIdentity => ({
  issuer: 'urn:oo:command-line',
  subject: name,
});

export interface TokenOfPerson {
  readonly userId: UserId;
  readonly token: string;
}

/** Opens the vault for `use` and closes it. */
export async function withVault<Result>(
  url: string,
  tenant: string,
  use: (vault: Vault) => Promise<Result>,
): Promise<Result> {
  const vault = await openVault(url, tenantId(tenant));
  try {
    return await use(vault);
  } finally {
    await vault.close();
  }
}

export const withVaultOf = <Result>(run: RunFile, use: (vault: Vault) => Promise<Result>): Promise<Result> =>
  withVault(addressOf(run, 'OO_VAULT_URL'), addressOf(run, 'OO_TENANT'), use);

/** Registers somebody in the vault and makes them a token in place of the last one of that name. */
export async function enrol(
  vault: Vault,
  identity: ProviderIdentity,
  tokenName: string,
): Promise<TokenOfPerson> {
  const userId = await ensurePerson(vault, identity);
  return { userId, token: await renewToken(vault, userId, tokenName) };
}

/** One token of a name at a time: whoever asks again ends the one before. */
export async function renewToken(vault: Vault, userId: UserId, name: string): Promise<string> {
  for (const old of await listTokens(vault, userId)) {
    if (old.name === name) await revokeToken(vault, userId, old.id);
  }
  return (await createToken(vault, userId, name)).token;
}

/**
 * Runs `use` with a token of a person (as {@link resolveUser} takes them) that is made for it and ended after it, so
 * that calls side by side do not meet.
 */
export async function withToken<Result>(
  run: RunFile,
  user: string,
  name: string,
  use: (token: string) => Promise<Result>,
): Promise<Result> {
  return withVaultOf(run, async (vault) => {
    const userId = await resolveIn(vault, user);
    const { id, token } = await createToken(vault, userId, name);
    try {
      return await use(token);
    } finally {
      await revokeToken(vault, userId, id);
    }
  });
}

/** A person by pseudonym, by the name `demo`, or by the name given to `oo person`. */
export const resolveUser = (run: RunFile, text: string): Promise<UserId> =>
  withVaultOf(run, (vault) => resolveIn(vault, text));

export async function resolveIn(vault: Vault, text: string): Promise<UserId> {
  const identity = text === 'demo' ? DEMO_IDENTITY : commandLineIdentity(text);
  const found = await (isUserId(text) ? findPseudonym(vault, text) : findPerson(vault, identity));
  if (found === undefined) {
    throw new CommandError(
      EXIT.notFound,
      `There is no person "${text}". Give a pseudonym or demo, or make one: npx oo person ${text}`,
    );
  }
  return found;
}
