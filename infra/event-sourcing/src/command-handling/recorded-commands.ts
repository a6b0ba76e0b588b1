import type { CommandId, Recorded } from '@oo/contracts';
import { commandIdOf, type StoredEvent } from '../event-store/stored-event.js';

/** Where a command's events stand. */
export type Entry = Pick<Recorded, 'revision' | 'position' | 'eventIds'>;

/** The commands of a stream's last events, and what each was answered. At least the last `window` events count. */
export class RecordedCommands {
  readonly #entries = new Map<string, Entry>();
  /** The command of which the window has a part only. */
  readonly #cut: CommandId | undefined;

  /** @param before the event before the window, where there is one */
  constructor(
    private readonly stream: string,
    private readonly window: number,
    before?: StoredEvent,
  ) {
    this.#cut = before && commandIdOf(before);
  }

  /** As it was when `entries` were given by {@link entries}. */
  static of(
    stream: string,
    window: number,
    entries: Iterable<readonly [command: string, entry: Entry]>,
  ): RecordedCommands {
    const commands = new RecordedCommands(stream, window);
    for (const [command, entry] of entries) commands.#entries.set(command, entry);
    return commands;
  }

  entries(): (readonly [command: string, entry: Entry])[] {
    return [...this.#entries];
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Takes in the next event of the stream. */
  add(event: StoredEvent): void {
    const command = commandIdOf(event);
    if (command === undefined) return;
    if (command === this.#cut) return;
    const before = this.#entries.get(command);
    // A command's events stand one behind the other: others of its name are of another time, and the first count.
    if (before !== undefined && event.revision !== before.revision + 1n) return;
    const eventIds = [...(before?.eventIds ?? []), event.id];
    this.record(command, { revision: event.revision, position: event.position, eventIds });
  }

  record(command: CommandId, entry: Entry): void {
    this.#entries.set(command, entry);
    if (this.#entries.size <= this.window) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  /** What the command was answered when it was recorded. */
  find(command: CommandId): Recorded | undefined {
    const entry = this.#entries.get(command);
    return entry && { stream: this.stream, ...entry, duplicate: true };
  }
}
