import { randomUUID } from 'node:crypto';
import type { Problem } from '@oo/contracts';
import { CommandError, EXIT } from '../output.js';
import { refused } from '../running.js';

export interface SignalOptions {
  readonly url: string;
  readonly token: string;
  readonly type: string;
  /** JSON text of the payload. */
  readonly data: string;
  readonly at: string;
  readonly key: string | undefined;
}

/** Posts one signal through the public ingress, as any producer does. */
export async function signal({
  url,
  token,
  type,
  data,
  at,
  key,
}: SignalOptions): Promise<Record<string, unknown>> {
  let payload: unknown;
  try {
    payload = JSON.parse(data);
  } catch (error) {
    throw new CommandError(
      EXIT.usage,
      `--data is not JSON (${error instanceof Error ? error.message : error}): ${data}`,
    );
  }
  const response = await fetch(`${url}/v1/signals`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ type, idempotencyKey: key ?? randomUUID(), occurredAt: at, data: payload }),
  }).catch((error: Error) => {
    throw new CommandError(
      EXIT.unavailable,
      `the gateway does not answer (${error.message}); see: npx oo status`,
    );
  });
  const body: unknown = await response.json();
  if (!response.ok) throw refused(body as Problem);
  return body as Record<string, unknown>;
}
