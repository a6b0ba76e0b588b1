import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  ChangePreferences,
  type CommandContext,
  type CommandName,
  ConsentScope,
  derivedCommandId,
  GrantConsent,
  type Instant,
  ProblemError,
  RegisterUser,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import { sendCommand } from '@oo/event-sourcing';

/** The demo person wants many tips, so that whoever looks at the demo sees some. */
const PREFERENCES = { quietFromMinute: 22 * 60, quietUntilMinute: 7 * 60, dailyBudget: 24 };

/**
 * Registers the demo person, with consent and preferences. Said again, it changes nothing.
 * @throws ProblemError when the profile service refuses
 */
export async function introduce(
  nats: NatsConnection,
  user: UserId,
  at: Instant,
  utcOffsetMinutes: number,
  stopped: AbortSignal,
): Promise<void> {
  const send = async (name: CommandName, command: (context: CommandContext) => unknown) => {
    const commandId = derivedCommandId(`demo-${name}`, user);
    const json = command({
      commandId,
      userId: user,
      tenantId: tenantOf(user),
      correlationId: commandId,
      causationId: commandId,
      producer: 'demo',
      occurredAt: at,
      receivedAt: at,
    });
    await untilAnswered(() => sendCommand(nats, name, user, json), stopped);
  };
  await send('RegisterUser', (context) => RegisterUser.toJSON({ context, utcOffsetMinutes }));
  const consent = { scope: ConsentScope.CONSENT_SCOPE_TIPS, termsVersion: 'demo-1' };
  await send('GrantConsent', (context) => GrantConsent.toJSON({ context, ...consent }));
  await send('ChangePreferences', (context) =>
    ChangePreferences.toJSON({ context, preferences: PREFERENCES }),
  );
}

async function untilAnswered(
  send: () => ReturnType<typeof sendCommand>,
  stopped: AbortSignal,
): Promise<void> {
  for (;;) {
    stopped.throwIfAborted();
    try {
      const { result } = await send();
      if (result?.$case !== 'problem') return;
      if (result.problem.status < 500) throw new ProblemError(result.problem);
    } catch (error) {
      const away = error instanceof ProblemError && error.problem.status >= 500;
      if (!away) throw error;
    }
    await sleep(200, undefined, { signal: stopped });
  }
}
