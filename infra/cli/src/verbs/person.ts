import { randomUUID } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  type CommandName,
  ConsentScope,
  commandSubject,
  derivedCommandId,
  instant,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import type { RunFile } from '@oo/embedded';
import { CommandError, EXIT } from '../output.js';
import { commandLineIdentity, enrol, type TokenOfPerson, withVaultOf } from '../people.js';
import { ask, withBroker } from '../running.js';

const TERMS_VERSION = 'command-line-1';
/** The name under which `oo` itself speaks. */
export const COMMAND_LINE = 'command-line';
/** The name of the tokens that `oo person` and `oo token` give out. */
export const PRODUCER = 'producer';

/** Registers somebody with consent and default preferences; again with the same name is the same person. */
export async function person(run: RunFile, name: string): Promise<TokenOfPerson & { name: string }> {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(name) || name === 'demo') {
    throw new CommandError(
      EXIT.usage,
      'Give a name of 1 to 32 lower-case letters, digits and "-" that is not demo.',
    );
  }
  const made = await withVaultOf(run, (vault) => enrol(vault, commandLineIdentity(name), PRODUCER));
  await withBroker(run, async (nats) => {
    await send(nats, made.userId, 'RegisterUser', { utcOffsetMinutes: -new Date().getTimezoneOffset() });
    await send(nats, made.userId, 'GrantConsent', {
      scope: ConsentScope.CONSENT_SCOPE_TIPS,
      termsVersion: TERMS_VERSION,
    });
  });
  return { name, ...made };
}

async function send(
  nats: NatsConnection,
  user: UserId,
  command: CommandName,
  body: Record<string, unknown>,
): Promise<void> {
  const now = instant(Date.now());
  const commandId = derivedCommandId(`${COMMAND_LINE}.${command}`, user);
  await ask(nats, commandSubject(command, user), {
    ...body,
    context: {
      commandId,
      userId: user,
      tenantId: tenantOf(user),
      correlationId: randomUUID(),
      causationId: commandId,
      producer: COMMAND_LINE,
      occurredAt: now,
      receivedAt: now,
    },
  });
}

export const personText = ({ name, userId, token }: TokenOfPerson & { name: string }): string =>
  `${name} is ${userId}\ntoken: ${token}\n\nThe token is shown once; npx oo token ${name} makes another and ends this one.`;
