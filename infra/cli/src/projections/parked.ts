import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type CommandReply,
  changedSubject,
  instant,
  isUserId,
  ownerOf,
  SkipParkedEvent,
  streamOf,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import {
  addressOf,
  type EventStore,
  leftOutBy,
  orWithoutTables,
  type Parked,
  parkedOf,
  parseStored,
  type ReadModels,
  retryParked,
  sendCommand,
  waitFor,
} from '@oo/event-sourcing';
import { isProjectionName, PROJECTION_NAMES, PROJECTIONS, type ProjectionName } from '@oo/projections';
import { CommandError, EXIT, table } from '../output.js';
import { refused, withBrokerAt } from '../running.js';
import {
  type ParkedPerson,
  parkedPeople,
  parkedPerson,
  RECOMMENDER,
  retryPerson,
  untoldText,
} from './recommender.js';
import { type Servers, withTables } from './servers.js';

/** Where a person may wait behind an event. */
export const PARKED_NAMES = [...PROJECTION_NAMES, RECOMMENDER] as const;
export type ParkedName = (typeof PARKED_NAMES)[number];

/** @throws CommandError where nothing of that name parks anybody */
export function parkedName(text: string): ParkedName {
  const name = PARKED_NAMES.find((known) => known === text);
  if (name !== undefined) return name;
  throw new CommandError(
    EXIT.notFound,
    `Nobody waits in "${text}": it is neither a read model nor the recommender. There are: ${PARKED_NAMES.join(', ')}.`,
  );
}

export interface ParkedIn extends Omit<Parked, 'parkedAt'> {
  readonly projection: ParkedName;
  /** Since when; of the recommender, which keeps nothing, when the event was recorded. Null where it cannot tell. */
  readonly parkedAt: string | null;
}

export interface ParkedList {
  readonly parked: readonly ParkedIn[];
  /** What the recommender has not told, in words. */
  readonly untold: string | undefined;
}

export async function parkedList(
  servers: Servers,
  names: readonly ParkedName[] = PARKED_NAMES,
): Promise<ParkedList> {
  const projections = names.filter(isProjectionName);
  const [inTables, people] = await Promise.all([
    withTables(servers, async (sql) =>
      (await Promise.all(projections.map((name) => parkedIn(sql, name)))).flat(),
    ),
    names.includes(RECOMMENDER) ? parkedInRecommender(servers) : { parked: [], untold: undefined },
  ]);
  return { parked: [...inTables, ...people.parked], untold: people.untold };
}

/** What read models have parked is told also while nobody can be asked about the recommender. */
async function parkedInRecommender(servers: Servers): Promise<ParkedList> {
  try {
    const people = await withBrokerAt(servers.OO_NATS_URL, parkedPeople);
    return { parked: people.parked.map(inRecommender), untold: untoldText(people) };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { parked: [], untold: `Whom the recommender has parked is not known: ${error.message}` };
  }
}

function inRecommender({ userId, recordedAt, ...parked }: ParkedPerson): ParkedIn {
  return { projection: RECOMMENDER, owner: userId, ...parked, parkedAt: recordedAt };
}

/** What is parked of a person. */
async function parkedOfPerson(
  servers: Servers,
  sql: ReadModels,
  name: ParkedName,
  owner: string,
): Promise<ParkedIn | undefined> {
  if (name !== RECOMMENDER) return (await parkedIn(sql, name, owner))[0];
  if (!isUserId(owner)) return undefined;
  const { parked } = await withBrokerAt(servers.OO_NATS_URL, (nats) => parkedPerson(nats, owner));
  return parked === undefined ? undefined : inRecommender(parked);
}

async function parkedIn(sql: ReadModels, projection: ProjectionName, owner?: string): Promise<ParkedIn[]> {
  const found = await orWithoutTables(parkedOf(sql, PROJECTIONS[projection], owner), []);
  return found.map((one) => ({ projection, ...one }));
}

export function parkedListText(all: readonly ParkedIn[]): string {
  if (all.length === 0) return 'Nothing is parked.';
  return table(
    ['WAITS IN', 'PERSON', 'EVENT', 'TYPE', 'SINCE', 'BEHIND IT', 'ERROR'],
    all.map((one) => [
      one.projection,
      one.owner,
      addressOf(one),
      one.type,
      one.parkedAt ?? 'not known',
      String(one.behind),
      one.error.split('\n')[0]?.slice(0, 100) ?? '',
    ]),
  );
}

export interface Skip {
  readonly stream: string;
  readonly revision: bigint;
  readonly type: string;
  readonly reason: string;
  readonly recordedAt: string;
}

export interface ParkedShown {
  readonly projection: ParkedName;
  readonly owner: string;
  /** What waits, null where nothing does. */
  readonly parked: ParkedIn | null;
  /** Events of this person that are left out there by somebody's word. */
  readonly skips: readonly Skip[];
}

/** @throws CommandError where nothing is parked of that person and nothing was skipped */
export function parkedShow(servers: Servers, projection: ParkedName, owner: string): Promise<ParkedShown> {
  return withTables(servers, async (sql, store) => {
    const parked = (await parkedOfPerson(servers, sql, projection, owner)) ?? null;
    const skips = isUserId(owner) ? await skipsOf(store, projection, owner) : [];
    if (parked === null && skips.length === 0) throw nothingParked(projection, owner);
    return { projection, owner, parked, skips };
  });
}

async function skipsOf(store: EventStore, name: ParkedName, user: UserId): Promise<Skip[]> {
  const skips: Skip[] = [];
  for await (const page of store.readStream(streamOf('skips', user))) {
    for (const stored of page) {
      if (leftOutBy({ name }, stored) === undefined) continue;
      const event = parseStored(stored);
      if (event.type !== 'ParkedEventSkipped') continue;
      const { stream, revision, eventType: type, reason } = event.data;
      skips.push({ stream, revision, type, reason, recordedAt: event.metadata.recordedAt });
    }
  }
  return skips;
}

export function parkedShownText({ projection, owner, parked, skips }: ParkedShown): string {
  const lines = [`${owner} in ${projection}`];
  if (parked !== null) {
    lines.push(
      `  parked    ${parked.type}, ${addressOf(parked)}, at position ${parked.position}, since ${parked.parkedAt ?? 'a time that cannot be read'}`,
      `  error     ${parked.error.replaceAll('\n', '\n            ')}`,
      `  behind it ${parked.behind} events of this person`,
      '',
      `  mended? oo parked retry ${projection} ${owner}`,
      `  to leave it out for good: oo parked skip ${projection} ${owner} --reason TEXT`,
    );
  }
  for (const skip of skips)
    lines.push(`  skipped   ${skip.type}, ${addressOf(skip)}, ${skip.recordedAt}: ${skip.reason}`);
  return lines.join('\n');
}

export interface Retried {
  readonly projection: ParkedName;
  readonly owner: string;
  readonly applied: number;
  /** What still cannot be applied, null where everything could. */
  readonly parked: ParkedIn | null;
}

/** Tries again what is parked, of one person or of everybody. */
export async function parkedRetry(
  servers: Servers,
  projection: ParkedName,
  owner: string | undefined,
): Promise<Retried[]> {
  if (projection === RECOMMENDER) return retryInRecommender(servers, owner);
  return withTables(servers, async (sql, store) => {
    const waiting = await parkedIn(sql, projection, owner);
    if (waiting.length === 0 && owner !== undefined) throw nothingParked(projection, owner);
    const all: Retried[] = [];
    for (const one of waiting) {
      const { applied, changed } = await retryParked(sql, PROJECTIONS[projection], store, one.owner);
      const [parked = null] = await parkedIn(sql, projection, one.owner);
      all.push({ projection, owner: one.owner, applied, parked });
      if (isUserId(one.owner)) await tell(servers, projection, one.owner, changed);
    }
    return all;
  });
}

async function retryInRecommender(servers: Servers, owner: string | undefined): Promise<Retried[]> {
  return withBrokerAt(servers.OO_NATS_URL, async (nats) => {
    let waiting: readonly ParkedPerson[];
    if (owner === undefined) {
      const people = await parkedPeople(nats);
      const untold = untoldText(people);
      // Whoever asks for everybody has to know that it was not everybody.
      if (untold !== undefined)
        throw new CommandError(EXIT.unavailable, `${untold} Nothing was tried again.`);
      waiting = people.parked;
    } else {
      const found = isUserId(owner) ? (await parkedPerson(nats, owner)).parked : undefined;
      if (found === undefined) throw nothingParked(RECOMMENDER, owner);
      waiting = [found];
    }
    const all: Retried[] = [];
    for (const { userId } of waiting) {
      const { applied, parked } = await retryPerson(nats, userId);
      const still = parked === null ? null : inRecommender(parked);
      all.push({ projection: RECOMMENDER, owner: userId, applied, parked: still });
    }
    return all;
  });
}

/** Whoever shows these rows reads them again. */
async function tell(
  servers: Servers,
  projection: ProjectionName,
  user: UserId,
  changed: readonly { stream: string; revision: bigint }[],
): Promise<void> {
  await withBrokerAt(servers.OO_NATS_URL, async (nats) => {
    for (const { stream, revision } of changed) {
      nats.publish(changedSubject(projection, user), JSON.stringify({ stream, revision: String(revision) }));
    }
    await nats.flush();
  });
}

export function retriedText(all: readonly Retried[]): string {
  if (all.length === 0) return 'Nothing is parked.';
  return all
    .map(({ owner, applied, parked }) =>
      parked === null
        ? `${owner}: applied, ${applied} events in all`
        : `${owner}: STILL parked at ${parked.type}, ${addressOf(parked)}: ${parked.error.split('\n')[0]}`,
    )
    .join('\n');
}

export interface Skipped {
  readonly projection: ParkedName;
  readonly owner: string;
  readonly skipped: { readonly stream: string; readonly revision: bigint; readonly type: string };
  readonly reason: string;
  /** The next event of this person that cannot be applied; null where there is none. */
  readonly parked: ParkedIn | null;
}

const APPLIED_WITHIN_MS = 15_000;
const ASKED_EVERY_MS = 100;

/**
 * Leaves the parked event of a person out of a read model, or of what the recommender knows of them, now and in every
 * rebuild. The reason is recorded as an event of theirs.
 */
export async function parkedSkip(
  servers: Servers,
  projection: ParkedName,
  owner: string,
  reason: string,
): Promise<Skipped> {
  return withTables(servers, async (sql) => {
    const parked = await parkedOfPerson(servers, sql, projection, owner);
    if (parked === undefined) throw nothingParked(projection, owner);
    const user = ownerOf(parked.stream)?.userId;
    if (user === undefined) {
      throw new CommandError(EXIT.refused, `${parked.stream} is no person's; mend the projection and retry.`);
    }
    const { stream, revision, type: eventType } = parked;
    const reply = await record(servers, user, { projection, stream, revision, eventType, reason });
    if (reply.result?.$case !== 'recorded') {
      throw reply.result === undefined
        ? new CommandError(EXIT.unexpected, 'The projections gave an empty answer.')
        : refused(reply.result.problem);
    }
    const { position } = reply.result.recorded;
    if (!(await isCome(servers, sql, projection, user, position))) {
      const see = projection === RECOMMENDER ? 'oo status' : `oo projections status ${projection}`;
      throw new CommandError(
        EXIT.unavailable,
        `The skip is recorded; ${projection} has not come to it within 15 s. See: ${see}`,
      );
    }
    const next = (await parkedOfPerson(servers, sql, projection, owner)) ?? null;
    return { projection, owner, skipped: { stream, revision, type: eventType }, reason, parked: next };
  });
}

/** Whether a read model, or the recommender, comes to a position in time. */
async function isCome(
  servers: Servers,
  sql: ReadModels,
  name: ParkedName,
  user: UserId,
  position: bigint,
): Promise<boolean> {
  if (name !== RECOMMENDER) {
    return (await waitFor(sql, PROJECTIONS[name], { position, user }, APPLIED_WITHIN_MS)) !== 'timeout';
  }
  return withBrokerAt(servers.OO_NATS_URL, async (nats) => {
    const deadline = performance.now() + APPLIED_WITHIN_MS;
    while (performance.now() < deadline) {
      try {
        if ((await parkedPerson(nats, user)).position >= position) return true;
      } catch (error) {
        // It may be starting again; what is recorded it will come to.
        if (!(error instanceof CommandError)) throw error;
      }
      await delay(ASKED_EVERY_MS);
    }
    return false;
  });
}

function record(servers: Servers, user: UserId, skipped: SkipParkedEvent['skipped']): Promise<CommandReply> {
  const commandId = randomUUID();
  const now = instant(Date.now());
  const context = {
    commandId,
    userId: user,
    tenantId: tenantOf(user),
    correlationId: commandId,
    causationId: commandId,
    producer: 'oo',
    occurredAt: now,
    receivedAt: now,
  };
  return withBrokerAt(servers.OO_NATS_URL, (nats) =>
    sendCommand(nats, 'SkipParkedEvent', user, SkipParkedEvent.toJSON({ context, skipped })),
  );
}

export function skippedText({ projection, owner, skipped, parked }: Skipped): string {
  const done = `${projection} leaves out ${skipped.type}, ${addressOf(skipped)}, of ${owner}`;
  return parked === null
    ? `${done}; everything else of theirs is applied`
    : `${done}; the next one is parked: ${parked.type}, ${addressOf(parked)}: ${parked.error.split('\n')[0]}`;
}

function nothingParked(projection: string, owner: string): CommandError {
  return new CommandError(
    EXIT.notFound,
    `Nothing of ${owner} is parked in ${projection}. See: oo parked list`,
  );
}
