import {
  InMemoryReadModel,
  type Owner,
  type PartitionSet,
  type ProjectionDefinition,
  type ReadModel,
  type ReadModelTransaction,
} from '@oo/event-sourcing';
import type { Life } from './life.js';
import type { Network } from './network.js';
import type { Random } from './random.js';

/** The tables of one projection. They are a cache: they may be dropped, or put back to what they were. */
export class Database {
  rows: InMemoryReadModel;
  #earlier: InMemoryReadModel[] = [];

  /** @param committed told after every transaction, before anybody else sees what it wrote */
  constructor(
    readonly projection: ProjectionDefinition,
    private readonly committed: (database: Database) => void,
  ) {
    this.rows = new InMemoryReadModel(projection);
  }

  drop(): void {
    this.rows = new InMemoryReadModel(this.projection);
    this.#earlier = [];
  }

  /** As from a backup. */
  restore(random: Random): void {
    if (this.#earlier.length > 0) this.rows = random.pick(this.#earlier).copy();
  }

  wasCommitted(random: Random): void {
    this.committed(this);
    if (random.chance(0.1)) this.#earlier = [...this.#earlier.slice(-3), this.rows.copy()];
  }
}

const down = (reason: string) => new Error(reason);

/** A projection's tables as one process reaches them. */
export class DatabaseClient implements ReadModel {
  constructor(
    private readonly database: Database,
    private readonly network: Network,
    private readonly random: Random,
    private readonly life: Life,
  ) {}

  prepare(): Promise<void> {
    return this.#ask(() => undefined);
  }

  async position(partitions: PartitionSet): Promise<bigint> {
    return this.#ask(() => this.database.rows.checkpoint(partitions));
  }

  async parkedOwners(): Promise<Owner[]> {
    return this.#ask(() => [...new Set(this.database.rows.parked().map(({ owner }) => owner))].sort());
  }

  async transaction<T>(work: (transaction: ReadModelTransaction) => Promise<T>): Promise<T> {
    await this.#ask(() => undefined);
    const { rows } = this.database;
    const result = await this.#alive(
      rows.transaction(async (transaction) => {
        // A process that dies amid a transaction leaves nothing of it, and holds nobody up.
        const done = await Promise.race([work(this.#over(transaction)), this.life.death]);
        if (this.random.chance(this.network.faults.lost))
          throw down('the connection broke before the commit');
        return done;
      }),
    );
    // Dropped or restored meanwhile: what was written is gone, as the tables are.
    if (rows === this.database.rows) this.database.wasCommitted(this.random);
    // The commit has happened; its reply has a way to go.
    await this.#ask(() => undefined);
    return result;
  }

  /** What comes of it, to a process that is there to hear it. */
  #alive<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.life.alive && resolve(value),
        (error: unknown) => this.life.alive && reject(error),
      );
    });
  }

  /** Each statement is a call of its own. */
  #over(inner: ReadModelTransaction): ReadModelTransaction {
    const ask = async <T>(statement: () => Promise<T>): Promise<T> => {
      await this.#ask(() => undefined);
      return statement();
    };
    return {
      position: (partitions) => ask(() => inner.position(partitions)),
      attempt: (work) => ask(() => inner.attempt((transaction) => work(this.#over(transaction)))),
      revisions: (streams) => ask(() => inner.revisions(streams)),
      waiting: (owners) => ask(() => inner.waiting(owners)),
      load: (table, keys) => ask(() => inner.load(table, keys)),
      write: (write) => ask(() => inner.write(write)),
      mark: (streams, known) => ask(() => inner.mark(streams, known)),
      park: (events) => ask(() => inner.park(events)),
      forget: (owner) => ask(() => inner.forget(owner)),
      checkpoint: (partitions, position) => ask(() => inner.checkpoint(partitions, position)),
    };
  }

  #ask<T>(effect: () => T): Promise<T> {
    return this.network.reach(this.life, 'sql', effect, down);
  }
}
