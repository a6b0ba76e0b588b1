import { isUserId, PERSON_CATEGORIES, type PersonCategory, streamOf, type UserId } from '@oo/contracts';
import { StreamGone } from '../event-store/errors.js';
import { traceparentOf } from '../telemetry/tracing.js';
import type { Change } from './changes.js';
import { type Effects, effectOf } from './effects.js';
import type { ArrivedEvent, History } from './history.js';
import { type PartitionSet, partitionOfOwner } from './partitions.js';
import { followedOwner, type Owner, type ProjectionDefinition } from './projection.js';
import {
  CheckpointWentBack,
  type ParkedEvent,
  type ReadModelTransaction,
  RowRefused,
  type StreamMark,
} from './read-model.js';
import { carryOut, rowsNeeded, type TableWrite } from './row-set.js';
import { addressOf, leftOutBy, SKIPS } from './skips.js';

/** Events that are to be handled together. */
export interface Batch {
  readonly events: readonly ArrivedEvent[];
  /** Position up to which everything had been handled before. */
  readonly before: bigint;
  /** Position up to which everything has been handled once the batch is. */
  readonly through: bigint;
  /** What events of the batch do, as far as it is known already. */
  readonly effects?: Effects;
}

/**
 * `together`: one statement a table, whatever the number of events. `apart`: event by event, so that one whose row
 * the database refuses is found, and parked.
 */
export type Writing = 'together' | 'apart';

/** What a batch came to. */
export interface Folded {
  readonly applied: number;
  readonly duplicates: number;
  /** Events that the broker had left out and the store gave. */
  readonly refilled: number;
  /** People whose rows were made anew. */
  readonly refolded: number;
  readonly parked: readonly ParkedEvent[];
  /** Streams whose events changed rows, each with the last such revision. */
  readonly changed: readonly StreamMark[];
}

export interface FoldContext {
  readonly projection: ProjectionDefinition;
  readonly partitions: PartitionSet;
  readonly history: History;
}

interface Arrival {
  readonly event: ArrivedEvent;
  readonly owner: Owner;
}

/**
 * Handles a batch within one transaction: rows, revisions, parked events and checkpoint are written together or
 * not at all.
 *
 * The revision of its stream guards every event. One that was handled is dropped. Before one that is ahead, the
 * missing ones are read from the store, and passed where the store has none. Where an event of a person comes
 * behind later ones of other streams that feed the same rows, the person's rows are made anew in `$all` order. So are
 * they where an operator has said that an event of theirs is to be left out.
 * @throws CheckpointWentBack where the tables are behind `batch.before`
 */
export async function foldBatch(
  context: FoldContext,
  transaction: ReadModelTransaction,
  batch: Batch,
  writing: Writing = 'together',
): Promise<Folded> {
  const arrivals = arrivalsOf(context, batch.events);
  const [known, waiting, stored] = await Promise.all([
    transaction.revisions([...new Set(arrivals.map(({ event }) => event.stream))]),
    transaction.waiting([...new Set(arrivals.map(({ owner }) => owner))]),
    transaction.position(context.partitions),
  ]);
  // What was before is not in these tables; going on would claim that it is.
  if (stored < batch.before) throw new CheckpointWentBack(batch.before, stored);
  const { due, late, duplicates, refilled } = await guard(context, batch, arrivals, known);
  for (const { event, owner } of due) if (mayLeaveOut(context.projection, event)) late.add(owner);
  for (const owner of late) waiting.delete(owner);
  const folding = new Folding(context.projection, transaction, waiting, writing, batch.effects);
  await folding.takeAll(due.filter(({ owner }) => !late.has(owner)));
  for (const owner of late) {
    await transaction.forget(owner);
    for (const stream of streamsOf(context.projection, owner)) known.delete(stream);
    await folding.takeAll(await wholeOf(context, owner, batch.through));
  }
  await folding.write(known, { partitions: context.partitions, position: batch.through });
  return { ...folding.result(), duplicates, refilled, refolded: late.size };
}

/**
 * Makes the rows of an owner anew out of the store. What waited is tried again.
 * @param through up to where at least; the read model's checkpoint, where that is further
 */
export async function refold(
  context: FoldContext,
  transaction: ReadModelTransaction,
  owner: Owner,
  through: bigint,
  writing: Writing = 'together',
): Promise<Folded> {
  // Held against a worker that is about to go on with one of them.
  await transaction.revisions(streamsOf(context.projection, owner));
  // Another worker may have been further, and have put what it could not apply behind what waited: with that forgotten,
  // it would be nowhere.
  const stored = await transaction.position(new Set([partitionOfOwner(owner)]));
  await transaction.forget(owner);
  const folding = new Folding(context.projection, transaction, new Set(), writing);
  await folding.takeAll(await wholeOf(context, owner, stored > through ? stored : through));
  await folding.write(new Map());
  return { ...folding.result(), duplicates: 0, refilled: 0, refolded: 1 };
}

/** The events that concern the worker. */
function arrivalsOf({ projection, partitions }: FoldContext, events: readonly ArrivedEvent[]): Arrival[] {
  // A batch has many events of few streams.
  const owners = new Map<string, Owner | undefined>();
  const ownerOf = (stream: string) => {
    if (owners.has(stream)) return owners.get(stream);
    const owner = followedOwner(projection, stream);
    const mine = owner !== undefined && partitions.has(partitionOfOwner(owner)) ? owner : undefined;
    owners.set(stream, mine);
    return mine;
  };
  return events.flatMap((event): Arrival[] => {
    const owner = ownerOf(event.stream);
    return owner === undefined ? [] : [{ event, owner }];
  });
}

interface Guarded {
  /** What is to be applied, in the order of each stream. */
  readonly due: readonly Arrival[];
  /** Owners whose rows cannot be right any more by going on. */
  readonly late: Set<Owner>;
  readonly duplicates: number;
  readonly refilled: number;
}

async function guard(
  { projection, history }: FoldContext,
  batch: Batch,
  arrivals: readonly Arrival[],
  known: ReadonlyMap<string, bigint>,
): Promise<Guarded> {
  const revisions = new Map(known);
  const due: Arrival[] = [];
  const late = new Set<Owner>();
  let [duplicates, refilled, reached] = [0, 0, batch.before];
  for (const arrival of arrivals) {
    const { event, owner } = arrival;
    const next = (revisions.get(event.stream) ?? -1n) + 1n;
    if (event.revision < next) {
      duplicates++;
      continue;
    }
    const missing = event.revision > next ? await between(history, event.stream, next, event.revision) : [];
    refilled += missing.length;
    for (const found of missing) due.push({ event: found, owner });
    const isLate = missing.length > 0 || event.position <= reached;
    if (isLate && projection.categories.length > 1 && isUserId(owner)) late.add(owner);
    due.push(arrival);
    revisions.set(event.stream, event.revision);
    if (event.position > reached) reached = event.position;
  }
  return { due, late, duplicates, refilled };
}

/** What the store has of a stream from `from` up to, not including, `until`. */
async function between(
  history: History,
  stream: string,
  from: bigint,
  until: bigint,
): Promise<ArrivedEvent[]> {
  const found: ArrivedEvent[] = [];
  try {
    for await (const page of history.readStream(stream, from)) {
      for (const event of page) {
        if (event.revision >= until) return found;
        found.push(event);
      }
    }
  } catch (error) {
    // Deleted for good: there is nothing left to fill the gap with.
    if (!(error instanceof StreamGone)) throw error;
  }
  return found;
}

function streamsOf({ categories }: ProjectionDefinition, owner: Owner): string[] {
  if (!isUserId(owner)) return [owner];
  const isPersonal = (category: string): category is PersonCategory =>
    PERSON_CATEGORIES.some((personal) => personal === category);
  return [...new Set<PersonCategory>([...categories.filter(isPersonal), SKIPS])].map((category) =>
    streamOf(category, owner as UserId),
  );
}

/** True also for what this build cannot read: the person is then parked, and nothing is left out by mistake. */
function mayLeaveOut(projection: ProjectionDefinition, event: ArrivedEvent): boolean {
  try {
    return leftOutBy(projection, event) !== undefined;
  } catch {
    return true;
  }
}

/** All that the store has of an owner up to a position, in the order of the store. */
async function wholeOf(
  { projection, history }: FoldContext,
  owner: Owner,
  through: bigint,
): Promise<Arrival[]> {
  const arrivals: Arrival[] = [];
  for (const stream of streamsOf(projection, owner)) {
    for (const event of await between(history, stream, 0n, END)) {
      if (event.position <= through) arrivals.push({ event, owner });
    }
  }
  return arrivals.sort((one, other) => (one.event.position < other.event.position ? -1 : 1));
}

/** Above every revision there can be. */
const END = 1n << 63n;

/** Collects what events do to rows, and parks those that cannot be applied and their people's behind them. */
class Folding {
  #changes: Change[] = [];
  readonly #parked: ParkedEvent[] = [];
  readonly #handled = new Map<string, StreamMark>();
  readonly #changed = new Map<string, StreamMark>();
  #applied = 0;

  constructor(
    private readonly projection: ProjectionDefinition,
    private readonly transaction: ReadModelTransaction,
    private readonly waiting: Set<Owner>,
    private readonly writing: Writing,
    private readonly effects?: Effects,
  ) {}

  async takeAll(arrivals: readonly Arrival[]): Promise<void> {
    const leftOut = this.#leftOut(arrivals);
    for (const arrival of arrivals) {
      const { event, owner } = arrival;
      this.#handled.set(event.stream, markOf(arrival));
      if (!this.projection.reads.has(event.type)) continue;
      if (leftOut.has(addressOf(event))) continue;
      if (this.waiting.has(owner)) {
        this.#park(arrival, null);
        continue;
      }
      const refusal = await this.#apply(arrival);
      if (refusal === undefined) this.#applied++;
      else this.#park(arrival, refusal);
    }
  }

  /** What the arrivals themselves say is to be left out: all of a person's are there when their rows are made anew. */
  #leftOut(arrivals: readonly Arrival[]): ReadonlySet<string> {
    const leftOut = new Set<string>();
    for (const arrival of arrivals) {
      try {
        const address = leftOutBy(this.projection, arrival.event);
        if (address !== undefined) leftOut.add(address);
      } catch (error) {
        this.#park(arrival, error instanceof Error ? error.message : String(error));
      }
    }
    return leftOut;
  }

  /** @returns why it cannot be applied, where it cannot */
  async #apply(arrival: Arrival): Promise<string | undefined> {
    const { event, owner } = arrival;
    const effect = this.effects?.get(event) ?? effectOf(this.projection, event, owner);
    if ('refusal' in effect) return effect.refusal;
    const { changes } = effect;
    if (changes.length === 0) return undefined;
    try {
      if (this.writing === 'together') this.#changes.push(...changes);
      else await this.transaction.attempt((attempt) => writeRows(attempt, changes));
    } catch (error) {
      if (error instanceof RowRefused) return error.message;
      throw error;
    }
    this.#changed.set(event.stream, markOf(arrival));
    return undefined;
  }

  #park({ event, owner }: Arrival, error: string | null): void {
    const { stream, revision, position, type } = event;
    this.waiting.add(owner);
    this.#parked.push({ owner, stream, revision, position, type, error: error?.slice(0, 1000) ?? null });
  }

  /** The statements go out together; what fails there fails the transaction as a whole. */
  async write(
    known: ReadonlyMap<string, bigint>,
    checkpoint?: { readonly partitions: PartitionSet; readonly position: bigint },
  ): Promise<void> {
    const { transaction } = this;
    const writes = await writesOf(transaction, this.#changes);
    await Promise.all([
      ...writes.map((write) => transaction.write(write)),
      transaction.mark([...this.#handled.values()], known),
      transaction.park(this.#parked),
      ...(checkpoint === undefined
        ? []
        : [transaction.checkpoint(checkpoint.partitions, checkpoint.position)]),
    ]);
  }

  result(): Pick<Folded, 'applied' | 'parked' | 'changed'> {
    return { applied: this.#applied, parked: this.#parked, changed: [...this.#changed.values()] };
  }
}

function markOf({ event, owner }: Arrival): StreamMark {
  const { stream, revision } = event;
  const traceparent = traceparentOf(event);
  return traceparent === undefined ? { stream, owner, revision } : { stream, owner, revision, traceparent };
}

async function writesOf(
  transaction: ReadModelTransaction,
  changes: readonly Change[],
): Promise<TableWrite[]> {
  const needed = [...rowsNeeded(changes)];
  const loaded = await Promise.all(needed.map(([table, keys]) => transaction.load(table, keys)));
  return carryOut(changes, new Map(needed.map(([table], index) => [table, loaded[index] ?? []])));
}

async function writeRows(transaction: ReadModelTransaction, changes: readonly Change[]): Promise<void> {
  for (const write of await writesOf(transaction, changes)) await transaction.write(write);
}
