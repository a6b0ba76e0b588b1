import { type CommandId, eventIdOf, type Recorded } from '@oo/contracts';
import { commandIdOf, type StoredEvent } from '../event-store/stored-event.js';

interface Entry {
  readonly revision: bigint;
  readonly position: bigint;
  readonly count: number;
}

/** The commands of a stream's last events, and what each was answered. At least the last `window` events count. */
export class RecordedCommands {
  readonly #entries = new Map<string, Entry>();

  constructor(
    private readonly stream: string,
    private readonly window: number,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  /** Takes in the next event of the stream. */
  add(event: StoredEvent): void {
    const command = commandIdOf(event);
    if (command === undefined) return;
    const count = (this.#entries.get(command)?.count ?? 0) + 1;
    // The window may begin amid a command's events; such a command is no longer in it.
    if (event.id !== eventIdOf(command, count - 1)) return;
    this.record(command, event.revision, event.position, count);
  }

  record(command: CommandId, revision: bigint, position: bigint, count: number): void {
    this.#entries.set(command, { revision, position, count });
    if (this.#entries.size <= this.window) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  /** What the command was answered when it was recorded. */
  find(command: CommandId): Recorded | undefined {
    const entry = this.#entries.get(command);
    if (entry === undefined) return undefined;
    const { revision, position, count } = entry;
    const eventIds = Array.from({ length: count }, (_, index) => eventIdOf(command, index));
    return { stream: this.stream, revision, position, eventIds, duplicate: true };
  }
}
