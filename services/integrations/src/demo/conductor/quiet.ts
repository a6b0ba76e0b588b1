import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { ProblemError, QUERIES } from '@oo/contracts';
import { requestJson } from '@oo/event-sourcing';
import { z } from 'zod';

/** Workers that can make something happen: none of them may have anything left to do before time goes on. */
export const DECIDING = ['relay', 'deadlines', 'proposals', 'recommender'] as const;
/** Workers that show what happened. */
export const SHOWING = ['current-tip', 'timeline', 'decisions'] as const;
export type Worker = (typeof DECIDING)[number] | (typeof SHOWING)[number];

const headSchema = z.object({ position: z.string().regex(/^\d+$/) });
const progressSchema = z.object({ position: z.string().regex(/^-?\d+$/), settled: z.boolean() });

/** How long a worker is asked to wait until it is there. */
const WAIT_MS = 2000;

type Waiting = (worker: string) => Promise<void>;

/**
 * Waits until nothing more follows from what has been recorded: every worker has handled everything up to the head,
 * has nothing due at its clock, and the head is still the same.
 * @param waiting told who is waited for, each time that the answer takes unusually long
 * @returns the head's position
 */
export async function quiet(
  nats: NatsConnection,
  workers: readonly Worker[],
  waiting: Waiting,
  stopped: AbortSignal,
): Promise<bigint> {
  let head = await askUntilAnswered(() => headOf(nats), 'relay', waiting, stopped);
  for (;;) {
    await Promise.all(workers.map((worker) => settled(nats, worker, head, waiting, stopped)));
    const now = await askUntilAnswered(() => headOf(nats), 'relay', waiting, stopped);
    if (now === head) return head;
    head = now;
  }
}

/** Waits until a worker has handled everything up to a position and has nothing due. @returns where it is then */
export async function settled(
  nats: NatsConnection,
  worker: Worker,
  position: bigint,
  waiting: Waiting,
  stopped: AbortSignal,
): Promise<bigint> {
  const ask = async () => {
    const body = { position: String(position < 0n ? 0n : position), timeoutMs: WAIT_MS };
    const json = await requestJson(nats, QUERIES.progress(worker), body, WAIT_MS + 1000);
    const progress = progressSchema.parse(json);
    return progress.settled ? BigInt(progress.position) : undefined;
  };
  return askUntilAnswered(ask, worker, waiting, stopped);
}

async function headOf(nats: NatsConnection): Promise<bigint> {
  return BigInt(headSchema.parse(await requestJson(nats, QUERIES.historyHead, {})).position);
}

/** Asks again while the worker is away or not there yet; only a stop ends this. */
async function askUntilAnswered<Answer>(
  ask: () => Promise<Answer | undefined>,
  worker: string,
  waiting: Waiting,
  stopped: AbortSignal,
): Promise<Answer> {
  for (;;) {
    stopped.throwIfAborted();
    const answer = await ask().catch((error: unknown) => {
      if (error instanceof ProblemError || error instanceof z.ZodError) return undefined;
      throw error;
    });
    if (answer !== undefined) return answer;
    await waiting(worker);
    await sleep(100, undefined, { signal: stopped });
  }
}
