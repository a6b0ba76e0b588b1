import {
  ALL_PARTITIONS,
  type ArrivedEvent,
  commandIdOf,
  foldBatch,
  followedOwner,
  type History,
  InMemoryReadModel,
  type ProjectionDefinition,
  parseStored,
  type StoredEvent,
} from '@oo/event-sourcing';
import type { Message, Stream } from './broker.js';
import type { Database } from './database.js';
import type { EventLog } from './event-log.js';

/** Something that must never be. */
export class Violation extends Error {
  constructor(
    readonly invariant: string,
    detail: string,
  ) {
    super(`${invariant}: ${detail}`);
    this.name = 'Violation';
  }
}

export const NO_COMMAND_LOST = 'an acknowledged command is in the store';
export const NO_EFFECT_TWICE = 'no effect twice';
export const ONE_ACTIVE_TIP = 'at most one tip is active for a person';
export const ENDED_ONCE = 'each due decision point ends exactly once';
export const ROWS_ARE_FOLD = 'the read model is the fold of the store';
export const CHECKPOINT_BEHIND_ROWS = 'a checkpoint is never ahead of its rows';
export const RELAYED_IN_ORDER = 'the relay leaves nothing out between two messages';
export const MEMORY_IS_FOLD = "the recommender's memory is the fold of the store";
export const SNAPSHOT_IS_FOLD = 'a snapshot is the fold of its stream';
export const SETTLES = 'after the faults everything comes to rest at the head of the store';
export const NO_BUG = 'nothing fails that is not a fault';

const EMPTY_HISTORY: History = {
  head: async () => undefined,
  async *readAll() {},
  async *readStream() {},
};

interface PersonSoFar {
  active: string | undefined;
  readonly ended: Set<string>;
  readonly closed: Set<string>;
  readonly answered: Set<string>;
  readonly shown: Set<string>;
}

/**
 * Looks at every event, every commit and every relayed message at the moment when it happens. It knows nothing of
 * deciders or projections but what the invariants say.
 */
export class Invariants {
  readonly #people = new Map<string, PersonSoFar>();
  readonly #commands = new Map<string, { stream: string; last: bigint; count: number }>();
  readonly #ids = new Set<string>();
  readonly #folds = new Map<
    ProjectionDefinition,
    { model: InMemoryReadModel; folded: number; texts: string[] }
  >();
  /** The first one; the simulation ends with it. */
  violation: Violation | undefined;

  fail(invariant: string, detail: string): void {
    this.violation ??= new Violation(invariant, detail);
  }

  /** An event was appended. */
  appended(stored: StoredEvent): void {
    const { id, stream, revision } = stored;
    if (this.#ids.has(id)) this.fail(NO_EFFECT_TWICE, `event ${id} stands twice`);
    this.#ids.add(id);
    const command = commandIdOf(stored) ?? '';
    const known = this.#commands.get(command);
    if (known !== undefined && (known.stream !== stream || known.last + 1n !== revision)) {
      this.fail(NO_EFFECT_TWICE, `command ${command} was recorded again in ${stream} at ${revision}`);
    }
    this.#commands.set(command, { stream, last: revision, count: (known?.count ?? 0) + 1 });
    this.#person(stored);
  }

  #person(stored: StoredEvent): void {
    const event = parseStored(stored);
    const user = event.metadata.userId;
    const person = this.#people.get(user) ?? {
      active: undefined,
      ended: new Set(),
      closed: new Set(),
      answered: new Set(),
      shown: new Set(),
    };
    this.#people.set(user, person);
    const once = (set: Set<string>, invariant: string, key: string) => {
      if (set.has(key))
        this.fail(invariant, `${event.type} for ${key} at ${stored.stream}@${stored.revision}`);
      set.add(key);
    };
    switch (event.type) {
      case 'TipProposed': {
        const tip = event.data.decision?.decisionId ?? '';
        once(person.ended, ENDED_ONCE, tip);
        if (person.active !== undefined) {
          this.fail(ONE_ACTIVE_TIP, `${tip} was proposed to ${user} while ${person.active} is active`);
        }
        person.active = tip;
        break;
      }
      case 'TipWithheld':
        once(person.ended, ENDED_ONCE, event.data.decision?.decisionId ?? '');
        break;
      case 'DecisionVoided':
        once(person.ended, ENDED_ONCE, event.data.decisionId);
        break;
      case 'TipAccepted':
      case 'TipCompleted':
      case 'TipSnoozed':
      case 'TipDismissed':
        once(person.answered, NO_EFFECT_TWICE, event.data.tipId);
        if (person.active === event.data.tipId) person.active = undefined;
        break;
      case 'TipExpired':
        once(person.answered, NO_EFFECT_TWICE, `expiry of ${event.data.tipId}`);
        if (person.active === event.data.tipId) person.active = undefined;
        break;
      case 'TipShown':
        once(person.shown, NO_EFFECT_TWICE, event.data.tipId);
        break;
      case 'DecisionOutcomeClosed':
        once(person.closed, NO_EFFECT_TWICE, `the outcome of ${event.data.decisionId}`);
        break;
      default:
    }
  }

  /** Decisions that ended. */
  ended(): Set<string> {
    return new Set([...this.#people.values()].flatMap(({ ended }) => [...ended]));
  }

  /** A stream of the broker took in a message behind another. */
  relayed(log: EventLog, stream: Stream, message: Message, before: Message | undefined): void {
    if (message.position === undefined || before?.position === undefined) return;
    if (message.position <= before.position) return;
    const next = log.events[log.behind(before.position)];
    if (next?.position !== message.position) {
      this.fail(
        RELAYED_IN_ORDER,
        `${stream.name} has ${message.position} behind ${before.position}, the store ${next?.position}`,
      );
    }
  }

  /** A transaction of a read model was committed: its rows are those of a straight fold up to where it says it is. */
  async committed(log: EventLog, { projection, rows }: Database): Promise<void> {
    const checkpoint = rows.checkpoint(ALL_PARTITIONS);
    const marks = new Map(rows.marks().map(({ stream, revision }) => [stream, revision]));
    const through = log.behind(checkpoint);
    const last = new Map<string, bigint>();
    for (const { stream, revision } of log.events.slice(0, through)) last.set(stream, revision);
    for (const [stream, revision] of last) {
      if (followedOwner(projection, stream) === undefined) continue;
      const marked = marks.get(stream) ?? -1n;
      if (marked < revision) {
        this.fail(
          CHECKPOINT_BEHIND_ROWS,
          `${projection.name} is at ${checkpoint} and knows ${stream} up to ${marked}, not ${revision}`,
        );
      }
      // What another worker has done beyond the checkpoint is compared when the checkpoint gets there.
      if (marked > revision) return;
    }
    if ([...marks].some(([stream]) => !last.has(stream))) return;
    const actual = textOf(projection, rows);
    const expected = await this.#straight(log, projection, through);
    if (actual !== expected) {
      this.fail(ROWS_ARE_FOLD, `${projection.name} at ${checkpoint}:\n${actual}\ninstead of\n${expected}`);
    }
  }

  /** The rows after so many events of the store. */
  async #straight(log: EventLog, projection: ProjectionDefinition, through: number): Promise<string> {
    let fold = this.#folds.get(projection);
    if (fold === undefined) {
      fold = { model: new InMemoryReadModel(projection), folded: 0, texts: [] };
      fold.texts.push(textOf(projection, fold.model));
      this.#folds.set(projection, fold);
    }
    const { model, texts } = fold;
    while (fold.folded < through) {
      const event: ArrivedEvent | undefined = log.events[fold.folded];
      if (event === undefined) break;
      fold.folded++;
      const batch = {
        events: [event],
        before: log.events[fold.folded - 2]?.position ?? -1n,
        through: event.position,
      };
      const context = { projection, partitions: ALL_PARTITIONS, history: EMPTY_HISTORY };
      const { parked } = await model.transaction((transaction) => foldBatch(context, transaction, batch));
      for (const { type, error } of parked) this.fail(NO_BUG, `${type} is parked: ${error}`);
      texts.push(textOf(projection, model));
    }
    return fold.texts[through] ?? '';
  }
}

function textOf({ tables }: ProjectionDefinition, rows: InMemoryReadModel): string {
  const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
  return tables.map((table) => `${table.name} ${JSON.stringify(rows.rows(table), plain)}`).join('\n');
}
