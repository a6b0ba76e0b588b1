import { randomUUID } from 'node:crypto';
import { type CommandId, EVENTS, type Instant, type PersonCategory, streamOf, tenantOf } from '@oo/contracts';
import { type Appended, EMPTY, type EventStore, type GivenEvent, type NewEvent } from '@oo/event-sourcing';

/** Appends the events of one person, which may be of several streams, in their order. */
export async function record(store: EventStore, ...given: readonly GivenEvent[]): Promise<Appended> {
  let last: Appended | undefined;
  for (const run of runsOf(given)) {
    const [first] = run;
    if (first === undefined) continue;
    const stream = streamOf(EVENTS[first.type].category as PersonCategory, first.user);
    const [newest] = await store.readLast(stream, 1);
    last = await store.append(stream, newest?.revision ?? EMPTY, run.map(newEvent));
  }
  if (last === undefined) throw new Error('nothing to record');
  return last;
}

/** Neighbours of the same stream. */
function runsOf(given: readonly GivenEvent[]): GivenEvent[][] {
  const runs: GivenEvent[][] = [];
  for (const event of given) {
    const last = runs.at(-1)?.at(-1);
    const isSame =
      last !== undefined &&
      last.user === event.user &&
      EVENTS[last.type].category === EVENTS[event.type].category;
    if (isSame) runs.at(-1)?.push(event);
    else runs.push([event]);
  }
  return runs;
}

function newEvent({ user, occurredAt, recordedAt, ...event }: GivenEvent): NewEvent {
  const id = randomUUID();
  const at = (occurredAt ?? '2026-01-05T08:00:00Z') as Instant;
  return {
    id,
    event,
    metadata: {
      correlationId: id,
      causationId: id,
      userId: user,
      tenantId: tenantOf(user),
      producer: 'test',
      occurredAt: at,
      recordedAt: (recordedAt ?? at) as Instant,
      commandId: id as CommandId,
    },
  };
}
