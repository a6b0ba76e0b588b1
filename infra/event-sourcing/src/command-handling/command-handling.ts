import {
  type Category,
  type CommandId,
  type CommandReply,
  type DomainEvent,
  type EventType,
  type edge,
  eventIdOf,
  type Instant,
  PERSON_CATEGORIES,
  type Problem,
  payloadJson,
  problem,
  type Recorded,
  readEvent,
  readMetadata,
  SHARED_STREAMS,
  streamOf,
  type UserId,
} from '@oo/contracts';
import { LRUCache } from 'lru-cache';
import type { z } from 'zod';
import type { Decider } from '../decider/decider.js';
import { isEventOf } from '../decider/decider.js';
import { EventStoreUnavailable, StreamGone, WrongRevision } from '../event-store/errors.js';
import { EMPTY, type EventStore, type NewEvent } from '../event-store/event-store.js';
import { recordedAtOf, type StoredEvent } from '../event-store/stored-event.js';
import { figures } from '../telemetry/figures.js';
import { traceparent } from '../telemetry/tracing.js';
import { RecordedCommands } from './recorded-commands.js';
import { decodeSnapshot, encodeSnapshot, type Snapshotting } from './snapshots.js';

/** What command handling needs of the store. */
export type EventStreams = Pick<EventStore, 'append' | 'readForward' | 'readLast'>;

/** A window that leaves nothing out: for streams that stay short. */
export const WHOLE_STREAM = Number.MAX_SAFE_INTEGER - 1;

/** What every command carries, parsed. */
export type CommandContext = z.infer<typeof edge.context>;
/** What every command of a stream that is nobody's carries, parsed. */
export type SharedCommandContext = z.infer<typeof edge.sharedContext>;

export interface CommandHandlingOptions<Command = unknown, State = unknown> {
  /**
   * Over how many of a stream's last events a command is recognised again, at least. Without `snapshots` these are also
   * what is loaded, and the state is folded over them.
   */
  readonly window: number;
  /**
   * Where given, the state is folded over the whole stream, however long: from a snapshot on where there is one, from
   * the beginning where there is none.
   */
  readonly snapshots?: Snapshotting<State>;
  /**
   * Told a command that is recorded already and the last event it gave then: whether it asks for the same as then.
   * Where it does not, its sender has used an id twice. Without this every repeated id is a retry.
   */
  readonly isRetry?: (command: Command, recorded: StoredEvent) => boolean;
  /** How often a command is decided at the most, when others write or the store does not answer; 8. */
  readonly attempts?: number;
  /** No attempt begins later than this after the first; 5,000. */
  readonly timeLimitMs?: number;
  /** Commands that are remembered in all cached streams together; 200,000, some 300 bytes each. */
  readonly cachedEvents?: number;
  /** Waits before the next attempt (from 1); jittered, so that those who collided part. */
  readonly pause?: (attempt: number) => Promise<void>;
}

interface Loaded<State> {
  state: State;
  revision: bigint;
  position: bigint;
  /** Of the event at `revision`. */
  eventId: string;
  recordedAt: string;
  readonly commands: RecordedCommands;
  /** Up to where it is kept in a snapshot. */
  kept: bigint;
}

/** Events that are read at once where a stream is read from its beginning. */
const PAGE = 1_000;

/**
 * The one way to handle a command of a person's stream, or of one that is nobody's: load, look for the command among the loaded events, decide,
 * append with the expected revision; on a conflict catch up and decide again.
 *
 * States are cached with their revision. A cached state may be behind; the expected revision finds that out when
 * something is appended, and where nothing would be (a rejection, a no-op) the stream is read on before that is
 * answered. Commands of one stream are handled one after the other within a process.
 */
export class CommandHandling<State, Command, Event extends DomainEvent> {
  readonly #types: ReadonlySet<EventType>;
  readonly #cache: LRUCache<string, Loaded<State>>;
  readonly #lanes = new Map<string, Promise<unknown>>();
  readonly #attempts: number;
  readonly #timeLimitMs: number;
  readonly #pause: (attempt: number) => Promise<void>;
  readonly #labels: { readonly category: string };

  constructor(
    private readonly store: EventStreams,
    private readonly category: Category,
    private readonly decider: Decider<State, Command, Event>,
    private readonly options: CommandHandlingOptions<NoInfer<Command>, NoInfer<State>>,
  ) {
    this.#types = new Set<EventType>(decider.evolves);
    this.#attempts = options.attempts ?? 8;
    this.#timeLimitMs = options.timeLimitMs ?? 5_000;
    this.#pause = options.pause ?? jittered;
    this.#labels = { category };
    this.#cache = new LRUCache({
      maxSize: options.cachedEvents ?? 200_000,
      sizeCalculation: ({ commands }) => commands.size + 1,
    });
  }

  /** Handles a command. Expected failures come as a problem in the reply; what throws is a bug or unreadable. */
  async handle(context: CommandContext | SharedCommandContext, command: Command): Promise<CommandReply> {
    const stream = this.#streamOf(context.userId);
    try {
      const reply = await this.#inLane(stream, () => this.#attempt(stream, context, command));
      const outcome = reply.result?.$case === 'recorded' ? 'recorded' : 'refused';
      figures.add('oo.commands', { ...this.#labels, outcome });
      return reply;
    } catch (error) {
      if (error instanceof StreamGone) {
        return failed(problem('unknown-user', 'This person has left. Nothing can be recorded any more.'));
      }
      throw error;
    }
  }

  /** The state now, read up to the stream's end. @throws EventStoreUnavailable, StreamGone */
  state(user: UserId | ''): Promise<State> {
    const stream = this.#streamOf(user);
    return this.#inLane(stream, async () => (await this.#current(stream)).state);
  }

  /** Loads the stream where nothing is known of it yet, so that a command that comes next does not wait for that. */
  async prepare(user: UserId | ''): Promise<void> {
    const stream = this.#streamOf(user);
    if (!this.#cache.has(stream)) await this.#inLane(stream, () => this.#current(stream));
  }

  #streamOf(user: UserId | ''): string {
    const shared = SHARED_STREAMS.find((name) => name === this.category);
    if (shared !== undefined) return shared;
    const own = PERSON_CATEGORIES.find((name) => name === this.category);
    if (own === undefined || user === '') throw new RangeError(`a stream ${this.category} is a person's`);
    return streamOf(own, user);
  }

  async #attempt(
    stream: string,
    context: CommandContext | SharedCommandContext,
    command: Command,
  ): Promise<CommandReply> {
    const deadline = performance.now() + this.#timeLimitMs;
    let unanswered = false;
    for (let attempt = 1; attempt <= this.#attempts && performance.now() < deadline; attempt++) {
      if (attempt > 1) {
        figures.add('oo.command.retries', this.#labels);
        await this.#pause(attempt - 1);
      }
      try {
        const cached = attempt === 1 ? this.#cache.get(stream) : undefined;
        const reply =
          (cached && (await this.#decide(stream, cached, context, command, 'cached'))) ??
          (await this.#decide(stream, await this.#current(stream), context, command, 'fresh'));
        if (reply !== undefined) return reply;
      } catch (error) {
        // An append that was not answered may have happened: reading the stream again tells.
        unanswered = error instanceof EventStoreUnavailable;
        if (error instanceof WrongRevision) figures.add('oo.command.conflicts', this.#labels);
        const behind = error instanceof WrongRevision && error.isAhead;
        // Where the store stands behind what is cached, it was put back, and the cached state is of another past.
        if (!unanswered && !behind) this.#cache.delete(stream);
        if (!unanswered && !(error instanceof WrongRevision)) throw error;
      }
    }
    return failed(
      !unanswered
        ? problem('conflict', 'Others kept writing for this person. Send the same command again.')
        : problem('unavailable', 'The event store does not answer. Send the same command again in a moment.'),
    );
  }

  /** Undefined where a cached state does not settle it. */
  async #decide(
    stream: string,
    loaded: Loaded<State>,
    context: CommandContext | SharedCommandContext,
    command: Command,
    age: 'cached' | 'fresh',
  ): Promise<CommandReply | undefined> {
    const commandId = context.commandId as CommandId;
    const before = loaded.commands.find(commandId);
    if (before !== undefined) {
      figures.add('oo.command.duplicates', this.#labels);
      return this.#again(before, command);
    }
    const decision = this.decider.decide(command, loaded.state);
    if ('problem' in decision) return age === 'fresh' ? failed(decision.problem) : undefined;
    if (decision.events.length === 0) {
      if (age === 'cached') return undefined;
      if (loaded.revision === EMPTY) return failed(problem('not-found', 'Nothing has happened here yet.'));
      const { revision, position } = loaded;
      return recorded({ stream, revision, position, eventIds: [], duplicate: false });
    }
    return recorded(await this.#append(stream, loaded, context, decision.events));
  }

  /** The answer to a command that has been recorded before. */
  async #again(before: Recorded, command: Command): Promise<CommandReply> {
    const { isRetry } = this.options;
    if (isRetry !== undefined) {
      const [last] = await this.store.readForward(before.stream, before.revision, 1);
      if (last !== undefined && !isRetry(command, last)) {
        return failed(
          problem(
            'idempotency-key-reused',
            'Another signal was recorded under this key. Send a new signal under a key of its own.',
            [{ field: 'idempotencyKey', message: 'was used for another signal' }],
          ),
        );
      }
    }
    return recorded(before);
  }

  async #append(
    stream: string,
    loaded: Loaded<State>,
    context: CommandContext | SharedCommandContext,
    events: readonly Event[],
  ): Promise<Recorded> {
    const commandId = context.commandId as CommandId;
    const metadata = metadataOf(context);
    // Ids are of what was decided, too. Where another process has recorded the command with another outcome in this very
    // place, the store would take the same ids for the same events, and what is cached here would not be what stands there.
    const decided = JSON.stringify(events.map((event) => [event.type, payloadJson(event)]));
    const fresh: NewEvent[] = events.map((event, index) => ({
      id: eventIdOf(commandId, index, decided),
      event,
      metadata,
    }));
    const { revision, position } = await this.store.append(stream, loaded.revision, fresh);
    const eventIds = fresh.map(({ id }) => id);
    loaded.commands.record(commandId, { revision, position, eventIds });
    loaded.state = events.reduce(
      (state, event) => (this.#types.has(event.type) ? this.decider.evolve(state, event) : state),
      loaded.state,
    );
    loaded.revision = revision;
    loaded.position = position;
    loaded.eventId = eventIds.at(-1) ?? loaded.eventId;
    loaded.recordedAt = metadata.recordedAt;
    this.#keep(stream, loaded);
    return { stream, revision, position, eventIds, duplicate: false };
  }

  /** The stream as it is now: the cached state read on, or the stream loaded. */
  async #current(stream: string): Promise<Loaded<State>> {
    const cached = this.#cache.get(stream);
    if (cached !== undefined) {
      const events = await this.store.readForward(stream, cached.revision + 1n, PAGE);
      const contiguous = events[0] === undefined || events[0].revision === cached.revision + 1n;
      if (contiguous && events.length < PAGE) {
        this.#take(stream, cached, events);
        return cached;
      }
    }
    const { snapshots } = this.options;
    if (snapshots === undefined) return this.#loadWindow(stream);
    return this.#loadWhole(stream, snapshots);
  }

  #nothing(stream: string, cut?: StoredEvent): Loaded<State> {
    return {
      state: this.decider.initialState(),
      revision: EMPTY,
      position: 0n,
      eventId: '',
      recordedAt: '',
      commands: new RecordedCommands(stream, this.options.window, cut),
      kept: EMPTY,
    };
  }

  async #loadWindow(stream: string): Promise<Loaded<State>> {
    const events = await this.store.readLast(stream, this.options.window + 1);
    // Where the window begins, it may begin amid the events of a command, which is no longer in it.
    const cut = events.length > this.options.window ? events.shift() : undefined;
    const loaded = this.#nothing(stream, cut);
    this.#take(stream, loaded, events);
    return loaded;
  }

  /** The end of the stream and the snapshot are asked for at once: a short stream waits for no snapshot. */
  async #loadWhole(stream: string, snapshots: Snapshotting<State>): Promise<Loaded<State>> {
    const asked = snapshots.store.read(stream);
    const end = await this.store.readLast(stream, snapshots.every + 1);
    if ((end[0]?.revision ?? 0n) === 0n) {
      const loaded = this.#nothing(stream);
      this.#take(stream, loaded, end);
      return loaded;
    }
    const bytes = await asked;
    const loaded = bytes && (await this.#loadSnapshot(stream, snapshots, bytes, end));
    return loaded ?? this.#readOn(stream, this.#nothing(stream));
  }

  /**
   * The snapshot, read on to the end of the stream; undefined for one of what the log does not say.
   * @param end the last events of the stream, among which is the one it ends with, where it is as new as it should be
   */
  async #loadSnapshot(
    stream: string,
    snapshots: Snapshotting<State>,
    bytes: Uint8Array,
    end: readonly StoredEvent[],
  ): Promise<Loaded<State> | undefined> {
    const { window } = this.options;
    const snapshot = decodeSnapshot(snapshots, stream, window, bytes);
    if (snapshot === undefined) return undefined;
    const { revision, eventId, recordedAt, commands } = snapshot;
    const index = end.findIndex((event) => event.revision === revision);
    const last = index < 0 ? (await this.store.readForward(stream, revision, 1))[0] : end[index];
    // The log decides: it may have been put back, and have gone another way since. Ids alone prove nothing: a command that
    // is sent again, and decided as before, makes the same.
    if (last?.revision !== revision || last.id !== eventId || recordedAtOf(last) !== recordedAt)
      return undefined;
    figures.add('oo.command.snapshots', this.#labels);
    const loaded = { ...snapshot, commands: RecordedCommands.of(stream, window, commands), kept: revision };
    if (index < 0) return this.#readOn(stream, loaded);
    this.#take(stream, loaded, end.slice(index + 1));
    return loaded;
  }

  async #readOn(stream: string, loaded: Loaded<State>): Promise<Loaded<State>> {
    for (;;) {
      const events = await this.store.readForward(stream, loaded.revision + 1n, PAGE);
      this.#evolve(loaded, events);
      if (events.length < PAGE) break;
    }
    this.#keep(stream, loaded);
    return loaded;
  }

  /** @throws EventUnreadable for an event that the decider reads and this build cannot */
  #take(stream: string, loaded: Loaded<State>, events: readonly StoredEvent[]): void {
    this.#evolve(loaded, events);
    this.#keep(stream, loaded);
  }

  #evolve(loaded: Loaded<State>, events: readonly StoredEvent[]): void {
    for (const stored of events) {
      if ((this.#types as ReadonlySet<string>).has(stored.type)) {
        const { schemaVersion } = readMetadata(stored.metadata);
        const event = readEvent(stored.type, schemaVersion, stored.data);
        if (isEventOf<Event>(this.#types, event)) loaded.state = this.decider.evolve(loaded.state, event);
      }
      loaded.commands.add(stored);
      loaded.revision = stored.revision;
      loaded.position = stored.position;
      loaded.eventId = stored.id;
      loaded.recordedAt = recordedAtOf(stored);
    }
  }

  #keep(stream: string, loaded: Loaded<State>): void {
    this.#snapshot(stream, loaded);
    // The cache counts the size of an object once: one that has grown has to be another.
    this.#cache.set(stream, { ...loaded });
  }

  #snapshot(stream: string, loaded: Loaded<State>): void {
    const { snapshots, window } = this.options;
    if (snapshots === undefined || loaded.revision - loaded.kept < snapshots.every) return;
    loaded.kept = loaded.revision;
    const { state, revision, position, eventId, recordedAt } = loaded;
    const commands = loaded.commands.entries();
    const snapshot = { state, revision, position, eventId, recordedAt, commands };
    // Nobody waits for it, and nothing depends on it.
    void snapshots.store.write(stream, encodeSnapshot(snapshots, stream, window, snapshot));
  }

  /** Of a stream that was deleted nothing is kept, neither here nor outside. */
  async #forgettingGone<T>(stream: string, task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      if (error instanceof StreamGone) {
        this.#cache.delete(stream);
        await this.options.snapshots?.store.forget(stream);
      }
      throw error;
    }
  }

  #inLane<T>(stream: string, task: () => Promise<T>): Promise<T> {
    const before = this.#lanes.get(stream);
    const run = () => this.#forgettingGone(stream, task);
    const mine = before === undefined ? run() : before.then(run, run);
    this.#lanes.set(stream, mine);
    const leave = () => {
      if (this.#lanes.get(stream) === mine) this.#lanes.delete(stream);
    };
    mine.then(leave, leave);
    return mine;
  }
}

function metadataOf(context: CommandContext | SharedCommandContext): NewEvent['metadata'] {
  return {
    correlationId: context.correlationId,
    causationId: context.causationId,
    userId: context.userId,
    tenantId: context.tenantId,
    producer: context.producer,
    occurredAt: context.occurredAt as Instant,
    recordedAt: context.receivedAt as Instant,
    commandId: context.commandId as CommandId,
    ...traceOfCommand(),
  };
}

function traceOfCommand(): { readonly traceparent?: string } {
  const now = traceparent();
  return now === undefined ? {} : { traceparent: now };
}

function recorded(what: Recorded): CommandReply {
  return { result: { $case: 'recorded', recorded: what } };
}

function failed(what: Problem): CommandReply {
  return { result: { $case: 'problem', problem: what } };
}

/** Up to 10 ms, doubling to 320 ms. */
function jittered(attempt: number): Promise<void> {
  const most = 10 * 2 ** Math.min(attempt - 1, 5);
  return new Promise((resolve) => setTimeout(resolve, Math.random() * most));
}
