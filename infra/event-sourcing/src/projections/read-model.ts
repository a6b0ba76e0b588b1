import type { PartitionSet } from './partitions.js';
import type { Owner } from './projection.js';
import type { TableWrite } from './row-set.js';
import type { Row, Table } from './tables.js';

/** An event that waits: one that could not be applied, with its error, or one of the same person behind it. */
export interface ParkedEvent {
  readonly owner: Owner;
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
  readonly type: string;
  /** Null for an event that waits behind another. */
  readonly error: string | null;
}

export interface StreamMark {
  readonly stream: string;
  readonly owner: Owner;
  readonly revision: bigint;
  /** Trace context of that event, where traces are kept. */
  readonly traceparent?: string;
}

/** The rows of one projection, with what the machinery keeps beside them. Postgres, or memory in a simulation. */
export interface ReadModel {
  /**
   * Makes what is missing. Safe to call by several at once.
   * @throws DefinitionChanged when the tables were made by another definition under the same version
   * @throws ProjectionPaused, as does everything else but reading
   */
  prepare(): Promise<void>;
  /** Position up to which everything of these partitions has been handled; -1 for nothing yet. */
  position(partitions: PartitionSet): Promise<bigint>;
  /** All that `work` writes, or nothing. */
  transaction<T>(work: (transaction: ReadModelTransaction) => Promise<T>): Promise<T>;
  /** Owners that have parked events. */
  parkedOwners(): Promise<Owner[]>;
}

export interface ReadModelTransaction {
  /** {@link ReadModel.position}, as it stands in the transaction. */
  position(partitions: PartitionSet): Promise<bigint>;
  /** The last revision that each stream was handled up to; held against others until the end of the transaction. */
  revisions(streams: readonly string[]): Promise<Map<string, bigint>>;
  /** Those of `owners` that wait. */
  waiting(owners: readonly Owner[]): Promise<Set<Owner>>;
  /** Within the transaction, all that `work` writes or nothing. */
  attempt<T>(work: (transaction: ReadModelTransaction) => Promise<T>): Promise<T>;
  load(table: Table, keys: readonly Row[]): Promise<Row[]>;
  /** @throws RowRefused when the database cannot take a value */
  write(write: TableWrite): Promise<void>;
  /**
   * @param known revisions as they were read in this transaction
   * @throws Overtaken when another worker has handled the stream in the meantime
   */
  mark(streams: readonly StreamMark[], known: ReadonlyMap<string, bigint>): Promise<void>;
  park(events: readonly ParkedEvent[]): Promise<void>;
  /** Forgets a person: their rows, what waits of them, and how far their streams were handled. */
  forget(owner: Owner): Promise<void>;
  /** A checkpoint never goes back. */
  checkpoint(partitions: PartitionSet, position: bigint): Promise<void>;
}

/** The database refuses a row for what stands in it. Trying again gives the same. */
export class RowRefused extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'RowRefused';
  }
}

/** Another worker handles the same streams; what was decided on the old state is not written. */
export class Overtaken extends Error {
  constructor(streams: readonly string[]) {
    super(`another worker has handled ${streams.join(', ')} in the meantime`);
    this.name = 'Overtaken';
  }
}

/** An operator has paused the read model: nothing is written until it is resumed. */
export class ProjectionPaused extends Error {
  constructor(name: string) {
    super(`${name} is paused; go on with: oo projections resume ${name}`);
    this.name = 'ProjectionPaused';
  }
}

/** The tables are older than what was written to them: dropped and made again, or put back from a backup. */
export class CheckpointWentBack extends Error {
  constructor(from: bigint, to: bigint) {
    super(`the checkpoint went back from ${from} to ${to}`);
    this.name = 'CheckpointWentBack';
  }
}

/** The tables in the database come of another definition with the same version. */
export class DefinitionChanged extends Error {
  constructor(name: string, version: number) {
    super(`${name}: the tables or the events read have changed under version ${version}; raise its version`);
    this.name = 'DefinitionChanged';
  }
}
