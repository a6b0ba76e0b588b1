import { EventStore, readModels, verify } from '@oo/event-sourcing';
import { PROJECTIONS, type ProjectionName } from '@oo/projections';
import {
  Invariants,
  MEMORY_IS_FOLD,
  NO_COMMAND_LOST,
  NO_EFFECT_TWICE,
  ROWS_ARE_FOLD,
  Violation,
} from '@oo/simulation';
import type { Client } from './client.js';
import type { Platform } from './platform.js';

/** Holds the clients' logs against the store, and what is made of the store against the store. */
export class Checks {
  #invariants = new Invariants();
  readonly #store: EventStore;
  /** Where each event stands, by its id; a run of hundreds of rounds has no room for the events themselves. */
  readonly #places = new Map<string, string>();
  readonly #signals = new Map<string, number>();
  readonly #types = new Map<string, number>();
  #position: bigint | undefined;

  constructor(
    private readonly platform: Platform,
    private readonly clients: readonly Client[],
  ) {
    this.#store = EventStore.connect(platform.storeUrl);
  }

  count(...types: readonly string[]): number {
    return types.reduce((sum, type) => sum + (this.#types.get(type) ?? 0), 0);
  }

  get events(): number {
    return this.#places.size;
  }

  /**
   * @param anew whether the store is read from its beginning: what it had in an earlier round it may have lost since
   * @throws Violation
   */
  async acknowledged(anew: boolean): Promise<void> {
    if (anew) this.#forget();
    await this.#readOn();
    const { violation } = this.#invariants;
    if (violation !== undefined) throw violation;
    const taken = new Set(this.#places.values());
    for (const { userId, signals, answers } of this.clients) {
      for (const { key, acknowledged } of signals) {
        if (this.#places.get(acknowledged.eventId) !== placeOf(acknowledged)) {
          throw new Violation(NO_COMMAND_LOST, `${key} of ${userId}: ${JSON.stringify(acknowledged)}`);
        }
      }
      // Each was sent under a key of its own until it was acknowledged: there are as many as there are keys.
      const recorded = this.#signals.get(userId) ?? 0;
      if (recorded !== signals.length) {
        throw new Violation(NO_EFFECT_TWICE, `${recorded} signals of ${userId}, who sent ${signals.length}`);
      }
      for (const { key, acknowledged } of answers) {
        if (!taken.has(placeOf(acknowledged))) {
          throw new Violation(NO_COMMAND_LOST, `${key} of ${userId}: ${JSON.stringify(acknowledged)}`);
        }
      }
    }
  }

  /** @throws Violation */
  async rows(names: readonly ProjectionName[]): Promise<void> {
    const sql = readModels(this.platform.readModelsUrl, { max: 3, name: 'chaos' });
    try {
      for (const name of names) {
        const { digest, expected, differences } = await verify(sql, PROJECTIONS[name], this.#store);
        if (digest !== expected) {
          throw new Violation(ROWS_ARE_FOLD, `${name}: ${JSON.stringify(differences.slice(0, 3))}`);
        }
      }
    } finally {
      await sql.end({ timeout: 5 });
    }
  }

  /** Makes every decision again from what is recorded. @throws Violation */
  async decisions(): Promise<void> {
    const replayed = await this.platform.oo.json<{ identical: boolean; decisions: number }>(
      'replay',
      '--all',
    );
    if (!replayed.identical)
      throw new Violation(MEMORY_IS_FOLD, 'decisions are not the same when made again');
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  #forget(): void {
    this.#invariants = new Invariants();
    for (const known of [this.#places, this.#signals, this.#types]) known.clear();
    this.#position = undefined;
  }

  async #readOn(): Promise<void> {
    for await (const page of this.#store.readAll(this.#position)) {
      for (const event of page) {
        this.#invariants.appended(event);
        this.#places.set(event.id, placeOf(event));
        this.#types.set(event.type, (this.#types.get(event.type) ?? 0) + 1);
        const user = event.stream.slice(event.stream.indexOf('-') + 1);
        if (event.stream.startsWith('signals-')) this.#signals.set(user, (this.#signals.get(user) ?? 0) + 1);
        this.#position = event.position;
      }
    }
  }
}

const placeOf = ({ stream, revision }: { stream: string; revision: string | bigint }) =>
  `${stream}@${revision}`;
