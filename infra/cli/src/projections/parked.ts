import { randomUUID } from 'node:crypto';
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
import { PROJECTION_NAMES, PROJECTIONS, type ProjectionName } from '@oo/projections';
import { CommandError, EXIT, table } from '../output.js';
import { refused, withBrokerAt } from '../running.js';
import { type Servers, withTables } from './servers.js';

export interface ParkedIn extends Parked {
  readonly projection: ProjectionName;
}

export function parkedList(
  servers: Servers,
  names: readonly ProjectionName[] = PROJECTION_NAMES,
): Promise<ParkedIn[]> {
  return withTables(servers, async (sql) =>
    (await Promise.all(names.map((name) => parkedIn(sql, name)))).flat(),
  );
}

async function parkedIn(sql: ReadModels, projection: ProjectionName, owner?: string): Promise<ParkedIn[]> {
  const found = await orWithoutTables(parkedOf(sql, PROJECTIONS[projection], owner), []);
  return found.map((one) => ({ projection, ...one }));
}

export function parkedListText(all: readonly ParkedIn[]): string {
  if (all.length === 0) return 'Nothing is parked.';
  return table(
    ['READ MODEL', 'PERSON', 'EVENT', 'REVISION', 'BEHIND IT', 'ERROR'],
    all.map((one) => [
      one.projection,
      one.owner,
      one.type,
      String(one.revision),
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
  readonly projection: ProjectionName;
  readonly owner: string;
  /** What waits, null where nothing does. */
  readonly parked: ParkedIn | null;
  /** Events of this person that the read model leaves out by somebody's word. */
  readonly skips: readonly Skip[];
}

/** @throws CommandError where nothing is parked of that person and nothing was skipped */
export function parkedShow(
  servers: Servers,
  projection: ProjectionName,
  owner: string,
): Promise<ParkedShown> {
  return withTables(servers, async (sql, store) => {
    const [parked = null] = await parkedIn(sql, projection, owner);
    const skips = isUserId(owner) ? await skipsOf(store, projection, owner) : [];
    if (parked === null && skips.length === 0) throw nothingParked(projection, owner);
    return { projection, owner, parked, skips };
  });
}

async function skipsOf(store: EventStore, projection: ProjectionName, user: UserId): Promise<Skip[]> {
  const skips: Skip[] = [];
  for await (const page of store.readStream(streamOf('skips', user))) {
    for (const stored of page) {
      if (leftOutBy(PROJECTIONS[projection], stored) === undefined) continue;
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
      `  parked    ${parked.type}, ${addressOf(parked)}, at position ${parked.position}, since ${parked.parkedAt}`,
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
  readonly projection: ProjectionName;
  readonly owner: string;
  readonly applied: number;
  /** What still cannot be applied, null where everything could. */
  readonly parked: ParkedIn | null;
}

/** Tries again what is parked, of one person or of everybody. */
export function parkedRetry(
  servers: Servers,
  projection: ProjectionName,
  owner: string | undefined,
): Promise<Retried[]> {
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
  readonly projection: ProjectionName;
  readonly owner: string;
  readonly skipped: { readonly stream: string; readonly revision: bigint; readonly type: string };
  readonly reason: string;
  /** The next event of this person that cannot be applied; null where there is none. */
  readonly parked: ParkedIn | null;
}

const APPLIED_WITHIN_MS = 15_000;

/**
 * Leaves the parked event of a person out of a read model, now and in every rebuild. The reason is recorded as an
 * event of theirs.
 */
export async function parkedSkip(
  servers: Servers,
  projection: ProjectionName,
  owner: string,
  reason: string,
): Promise<Skipped> {
  return withTables(servers, async (sql) => {
    const [parked] = await parkedIn(sql, projection, owner);
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
    const waited = await waitFor(sql, PROJECTIONS[projection], { position, user }, APPLIED_WITHIN_MS);
    if (waited === 'timeout') {
      throw new CommandError(
        EXIT.unavailable,
        `The skip is recorded; ${projection} has not come to it within 15 s. See: oo projections status ${projection}`,
      );
    }
    const [next = null] = await parkedIn(sql, projection, owner);
    return { projection, owner, skipped: { stream, revision, type: eventType }, reason, parked: next };
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
