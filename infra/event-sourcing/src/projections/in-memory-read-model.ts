import { type Checkpoint, type PartitionSet, positionOf } from './partitions.js';
import type { Owner, ProjectionDefinition } from './projection.js';
import type { ParkedEvent, ReadModel, ReadModelTransaction, StreamMark } from './read-model.js';
import { keyText, type TableWrite } from './row-set.js';
import type { Row, Table } from './tables.js';

interface State {
  readonly tables: ReadonlyMap<Table, ReadonlyMap<string, Row>>;
  readonly streams: ReadonlyMap<string, StreamMark>;
  readonly parked: readonly ParkedEvent[];
  readonly checkpoints: ReadonlyMap<string, Checkpoint>;
}

/**
 * A read model in memory, for simulations and specifications: one transaction at a time, each whole or not at all.
 * A transaction that throws at any point leaves what stood before, as a crash would.
 */
export class InMemoryReadModel implements ReadModel {
  #state: State = { tables: new Map(), streams: new Map(), parked: [], checkpoints: new Map() };
  #queue: Promise<unknown> = Promise.resolve();

  constructor(private readonly projection: ProjectionDefinition) {}

  async prepare(): Promise<void> {}

  async position(partitions: PartitionSet): Promise<bigint> {
    return this.checkpoint(partitions);
  }

  async parkedOwners(): Promise<Owner[]> {
    return [...new Set(this.#state.parked.map(({ owner }) => owner))].sort();
  }

  transaction<T>(work: (transaction: ReadModelTransaction) => Promise<T>): Promise<T> {
    const run = this.#queue.then(async () => {
      const transaction = new InMemoryTransaction(this.#state, this.projection.tables);
      const result = await work(transaction);
      this.#state = transaction.state();
      return result;
    });
    this.#queue = run.catch(() => undefined);
    return run;
  }

  /** Rows of a table in the order of their keys. */
  rows(table: Table): Row[] {
    const rows = this.#state.tables.get(table) ?? new Map<string, Row>();
    return [...rows].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row);
  }

  parked(): readonly ParkedEvent[] {
    return this.#state.parked;
  }

  /** The last revision that each stream was handled up to. */
  marks(): StreamMark[] {
    return [...this.#state.streams.values()];
  }

  /** {@link position}, at once. */
  checkpoint(partitions: PartitionSet): bigint {
    return positionOf([...this.#state.checkpoints.values()], partitions);
  }

  /** Another one with what stands in this one, as a backup. */
  copy(): InMemoryReadModel {
    const copy = new InMemoryReadModel(this.projection);
    copy.#state = this.#state;
    return copy;
  }
}

class InMemoryTransaction implements ReadModelTransaction {
  #tables: Map<Table, Map<string, Row>>;
  #streams: Map<string, StreamMark>;
  #checkpoints: Map<string, Checkpoint>;
  #parked: ParkedEvent[];

  constructor(
    state: State,
    private readonly tables: readonly Table[],
  ) {
    this.#tables = new Map(tables.map((table) => [table, new Map(state.tables.get(table))]));
    this.#streams = new Map(state.streams);
    this.#checkpoints = new Map(state.checkpoints);
    this.#parked = [...state.parked];
  }

  state(): State {
    return {
      tables: this.#tables,
      streams: this.#streams,
      parked: this.#parked,
      checkpoints: this.#checkpoints,
    };
  }

  async position(partitions: PartitionSet): Promise<bigint> {
    return positionOf([...this.#checkpoints.values()], partitions);
  }

  async attempt<T>(work: (transaction: ReadModelTransaction) => Promise<T>): Promise<T> {
    const attempt = new InMemoryTransaction(this.state(), this.tables);
    const result = await work(attempt);
    this.#tables = attempt.#tables;
    this.#streams = attempt.#streams;
    this.#checkpoints = attempt.#checkpoints;
    this.#parked = attempt.#parked;
    return result;
  }

  async revisions(streams: readonly string[]): Promise<Map<string, bigint>> {
    return new Map(
      streams.flatMap((stream) => {
        const mark = this.#streams.get(stream);
        return mark === undefined ? [] : [[stream, mark.revision] as const];
      }),
    );
  }

  async waiting(owners: readonly Owner[]): Promise<Set<Owner>> {
    return new Set(owners.filter((owner) => this.#parked.some((event) => event.owner === owner)));
  }

  async load(table: Table, keys: readonly Row[]): Promise<Row[]> {
    const rows = this.#tables.get(table);
    return keys.map((key) => rows?.get(keyText(table, key))).filter((row) => row !== undefined);
  }

  async write({ table, upserts, removals }: TableWrite): Promise<void> {
    const rows = this.#tables.get(table);
    for (const row of upserts) rows?.set(keyText(table, row), row);
    for (const key of removals) rows?.delete(keyText(table, key));
  }

  async mark(streams: readonly StreamMark[]): Promise<void> {
    for (const mark of streams) this.#streams.set(mark.stream, mark);
  }

  async park(events: readonly ParkedEvent[]): Promise<void> {
    this.#parked.push(...events);
  }

  async forget(owner: Owner): Promise<void> {
    for (const rows of this.#tables.values()) {
      for (const [key, row] of rows) if (row.user_id === owner) rows.delete(key);
    }
    for (const [stream, mark] of this.#streams) if (mark.owner === owner) this.#streams.delete(stream);
    this.#parked = this.#parked.filter((event) => event.owner !== owner);
  }

  async checkpoint(set: PartitionSet, position: bigint): Promise<void> {
    const partitions = [...set].sort((one, other) => one - other);
    const key = partitions.join();
    const current = this.#checkpoints.get(key);
    if (current === undefined || position > current.position) {
      this.#checkpoints.set(key, { partitions, position });
    }
  }
}
