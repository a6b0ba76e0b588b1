import type { NatsConnection } from '@nats-io/transport-node';
import { Problem, ProblemError, QUERIES, type RecordedEvent, readEnvelope } from '@oo/contracts';
import { requestJson } from '@oo/event-sourcing';
import { z } from 'zod';

const replySchema = z.union([
  z.object({ problem: z.unknown() }),
  z.object({ events: z.array(z.unknown()), next: z.string().nullable() }),
]);

/**
 * Reads the recorded events of streams, oldest first.
 * @param after commit position to begin behind; from the beginning when it is negative
 * @throws ProblemError when nobody answers, or the history cannot be read
 */
export async function* readHistory(
  nats: NatsConnection,
  streams: readonly string[],
  after: bigint,
): AsyncGenerator<RecordedEvent> {
  let cursor = after < 0n ? undefined : String(after);
  for (;;) {
    const body = { streams, limit: 500, ...(cursor === undefined ? {} : { after: cursor }) };
    const reply = replySchema.parse(await requestJson(nats, QUERIES.historyRead, body));
    if ('problem' in reply) throw new ProblemError(Problem.fromJSON(reply.problem));
    const page = reply;
    for (const event of page.events) yield readEnvelope(event);
    if (page.next === null) return;
    cursor = page.next;
  }
}
