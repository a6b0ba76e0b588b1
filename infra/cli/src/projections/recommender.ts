import { errors, type NatsConnection } from '@nats-io/transport-node';
import { isUserId, PARTITIONS, partitionOf, QUERIES, type UserId } from '@oo/contracts';
import { z } from 'zod';
import { CommandError, EXIT } from '../output.js';

/** What the recommender is called where read models have their names: in `oo parked`, and in what a skip says. */
export const RECOMMENDER = 'recommender';

const number = z.string().regex(/^\d+$/).transform(BigInt);
const parked = z.object({
  userId: z.string().refine(isUserId, 'is no pseudonym'),
  stream: z.string(),
  revision: number,
  position: number,
  type: z.string(),
  recordedAt: z.string().nullable(),
  behind: z.int(),
  error: z.string(),
});
const problem = z.object({ problem: z.object({ detail: z.string() }) });
const parkedReply = z.object({ position: number, parked: z.array(parked), total: z.int() });
const retryReply = z.object({ applied: z.int(), parked: parked.nullable() });

export type ParkedPerson = z.output<typeof parked>;

/** What the processes of the recommender tell, each of its own partitions. */
export interface ParkedPeople {
  readonly parked: readonly ParkedPerson[];
  /** How many more there are than were told. */
  readonly more: number;
  /** Partitions of which nobody told anything, and why. */
  readonly silent: readonly { readonly partition: number; readonly reason: string }[];
}

const TIMEOUT_MS = 5_000;

/** All people that the recommender has parked, in the order of the store. */
export async function parkedPeople(nats: NatsConnection): Promise<ParkedPeople> {
  const told = await Promise.all(
    Array.from({ length: PARTITIONS }, async (_, partition) => {
      const reply = await asked(nats, QUERIES.parked(partition), {}, parkedReply);
      return { partition, reply };
    }),
  );
  const replies = told.flatMap(({ reply }) => ('reason' in reply ? [] : [reply]));
  return {
    parked: replies
      .flatMap((reply) => reply.parked)
      .sort((one, other) => (one.position < other.position ? -1 : 1)),
    more: replies.reduce((more, reply) => more + reply.total - reply.parked.length, 0),
    silent: told.flatMap(({ partition, reply }) =>
      'reason' in reply ? [{ partition, reason: reply.reason }] : [],
    ),
  };
}

/** Up to where the recommender has folded a person's events, and what they wait at. @throws CommandError */
export async function parkedPerson(
  nats: NatsConnection,
  user: UserId,
): Promise<{ readonly position: bigint; readonly parked: ParkedPerson | undefined }> {
  const subject = QUERIES.parked(partitionOf(user));
  const { position, parked } = answered(await asked(nats, subject, { userId: user }, parkedReply));
  return { position, parked: parked[0] };
}

/** Has the recommender fold a parked person anew. @throws CommandError */
export async function retryPerson(
  nats: NatsConnection,
  user: UserId,
): Promise<{ readonly applied: number; readonly parked: ParkedPerson | null }> {
  return answered(await asked(nats, QUERIES.retryParked(user), { userId: user }, retryReply, 30_000));
}

async function asked<Reply>(
  nats: NatsConnection,
  subject: string,
  body: unknown,
  schema: z.ZodType<Reply>,
  timeout = TIMEOUT_MS,
): Promise<Reply | { readonly reason: string }> {
  let json: unknown;
  try {
    json = (await nats.request(subject, JSON.stringify(body), { timeout })).json();
  } catch (error) {
    if (error instanceof errors.RequestError && error.isNoResponders()) return { reason: 'it does not run' };
    if (error instanceof errors.TimeoutError) return { reason: `no answer within ${timeout / 1000} s` };
    throw error;
  }
  const refused = problem.safeParse(json);
  if (refused.success) return { reason: refused.data.problem.detail };
  const reply = schema.safeParse(json);
  return reply.success ? reply.data : { reason: 'its answer is of another version' };
}

function answered<Reply extends object>(reply: Reply | { readonly reason: string }): Reply {
  if (!('reason' in reply)) return reply;
  throw new CommandError(
    EXIT.unavailable,
    `The recommender does not answer: ${reply.reason}. See: oo status; once it is ready, try again.`,
  );
}

/** What a list cannot tell, in words; undefined where it tells all. */
export function untoldText({ silent, more }: ParkedPeople): string | undefined {
  const lines: string[] = [];
  const [first] = silent;
  if (first !== undefined) {
    const whom =
      silent.length === PARTITIONS ? 'anybody' : `people of ${silent.length} of ${PARTITIONS} partitions`;
    lines.push(
      `The recommender tells nothing of ${whom} (${first.reason}); whom it has parked is not known. See: oo status`,
    );
  }
  if (more > 0) lines.push(`The recommender has ${more} more people parked than it told of.`);
  return lines.length === 0 ? undefined : lines.join('\n');
}
