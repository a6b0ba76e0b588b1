import { epochMs, type Problem, problem } from '@oo/contracts';

/** Clocks differ; what claims to have happened further ahead of the clock here than this is refused. */
export const FUTURE_TOLERANCE_MS = 5 * 60_000;

/** The problem of a command whose `occurredAt` lies in the future. */
export function fromTheFuture(context: { occurredAt: string; receivedAt: string }): Problem | undefined {
  const aheadMs = epochMs(context.occurredAt) - epochMs(context.receivedAt);
  if (aheadMs <= FUTURE_TOLERANCE_MS) return undefined;
  return problem(
    'from-the-future',
    `occurredAt lies ${Math.round(aheadMs / 1_000)} s ahead of the clock here. Set the sender's clock and send again.`,
    [{ field: 'occurredAt', message: 'must not lie in the future' }],
  );
}
