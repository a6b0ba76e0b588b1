import { randomUUID } from 'node:crypto';
import { instant, signalCommandId, tenantOf, type UserId } from '@oo/contracts';

/** A command to record a mood, each time another, in JSON. */
export function moodCommand(userId: UserId): string {
  const idempotencyKey = randomUUID();
  const commandId = signalCommandId(userId, 'bench', idempotencyKey);
  const now = instant(Date.now());
  return JSON.stringify({
    context: {
      commandId,
      userId,
      tenantId: tenantOf(userId),
      correlationId: commandId,
      causationId: commandId,
      producer: 'bench',
      occurredAt: now,
      receivedAt: now,
    },
    idempotencyKey,
    moodReported: { valence: 1, energy: -1 },
  });
}
