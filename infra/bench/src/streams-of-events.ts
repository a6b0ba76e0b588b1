import { randomBytes, randomUUID } from 'node:crypto';
import { type EventStoreDBClient, FORWARDS, START } from '@eventstore/db-client';
import {
  EVENTS,
  instant,
  newUserId,
  type PersonCategory,
  streamOf,
  tenantId,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import { EMPTY, type EventStore, type GivenEvent, type NewEvent } from '@oo/event-sourcing';
import { lifeOf } from '@oo/projections/testing';

/** Events that a person gets at a time: as many lives go on side by side, `$all` has them in turn. */
const MOODS = 6;
const TIPS = 2;
const IN_FLIGHT = 16;
/** About, so that streams are as long in a large store as in a small one. */
const EVENTS_EACH = 625;
const AT = '2026-01-05T08:00:00Z';

interface Person {
  readonly user: UserId;
  signals: bigint;
  tips: bigint;
}

/**
 * Fills a store with `count` events at least of many people: moods, and tips that are proposed, shown and completed.
 * @returns how many events, and whose
 */
export async function fill(
  store: EventStore,
  count: number,
  say: (line: string) => void,
): Promise<{ readonly events: number; readonly people: readonly UserId[] }> {
  const people = Array.from({ length: Math.max(IN_FLIGHT, Math.ceil(count / EVENTS_EACH)) }, (): Person => {
    return { user: newUserId(tenantId('home'), randomBytes(16)), signals: EMPTY, tips: EMPTY };
  });
  let [written, said] = [0, performance.now()];
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async (_, lane) => {
      for (let turn = lane; written < count; turn += IN_FLIGHT) {
        // A person belongs to one lane, so that revisions are known.
        const person = people[turn % (people.length - (people.length % IN_FLIGHT))];
        if (person === undefined) throw new RangeError('no person');
        const lived = await live(store, person);
        written += lived;
        if (performance.now() - said < 5_000) continue;
        said = performance.now();
        say(`  … ${written} of ${count} events written`);
      }
    }),
  );
  return { events: written, people: people.map(({ user }) => user) };
}

/** Lets a person's tips grow to `length` events, of which `written` stand there. @returns how many there are now */
export async function tipsOf(
  store: EventStore,
  user: UserId,
  written: number,
  length: number,
): Promise<number> {
  const life = lifeOf(user);
  let revision = BigInt(written) - 1n;
  while (revision + 1n < length) {
    const from = Number(revision + 1n) / 3;
    const tips = Array.from({ length: 50 }, (_, index) => tipOf(life, at(from + index))).flat();
    revision = await append(store, revision, tips);
  }
  return Number(revision) + 1;
}

function tipOf(life: ReturnType<typeof lifeOf>, at: string): GivenEvent[] {
  const id = randomUUID();
  return [life.proposed({ id, at, choice: 'demo:task:1' }), life.shown(id, at), life.completed(id, at)];
}

/** When the tip of that number comes: about ten a day. */
function at(number: number): string {
  return instant(Date.parse(AT) + number * 8_640_000);
}

async function live(store: EventStore, person: Person): Promise<number> {
  const life = lifeOf(person.user);
  const moods = Array.from({ length: MOODS }, (_, index) => life.mood((index % 5) - 2, AT));
  const tips = Array.from({ length: TIPS }, () => tipOf(life, AT)).flat();
  person.signals = await append(store, person.signals, moods);
  person.tips = await append(store, person.tips, tips);
  return moods.length + tips.length;
}

async function append(store: EventStore, expected: bigint, given: readonly GivenEvent[]): Promise<bigint> {
  const [first] = given;
  if (first === undefined) return expected;
  const stream = streamOf(EVENTS[first.type].category as PersonCategory, first.user);
  const { revision } = await store.append(stream, expected, given.map(newEvent));
  return revision;
}

function newEvent({ user, occurredAt: _, recordedAt: __, ...event }: GivenEvent): NewEvent {
  const id = randomUUID();
  const at = AT as NewEvent['metadata']['occurredAt'];
  const commandId = id as NewEvent['metadata']['commandId'];
  const tenant = tenantOf(user);
  return {
    id,
    event,
    metadata: {
      ...{ correlationId: id, causationId: id, userId: user, tenantId: tenant, producer: 'bench' },
      ...{ occurredAt: at, recordedAt: at, commandId },
    },
  };
}

/** Reads all of a store as its client gives it, and nothing more. @returns events a second */
export async function rawRead(client: EventStoreDBClient): Promise<number> {
  let events = 0;
  const began = performance.now();
  const read = client.readAll({
    direction: FORWARDS,
    fromPosition: START,
    maxCount: Number.MAX_SAFE_INTEGER,
  });
  for await (const { event } of read) if (event !== undefined) events++;
  return (events / (performance.now() - began)) * 1000;
}
