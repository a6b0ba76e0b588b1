import type { ArrivedEvent } from './history.js';
import type { LiveMessage } from './live-feed.js';

/** What the last message was: the next one follows it directly, or something is missing between. */
export type Link = Pick<LiveMessage, 'consumer' | 'sequence'>;

/** The messages that may be applied as they are, and what has to come from the store first. */
export interface Run {
  readonly events: readonly ArrivedEvent[];
  /** Position up to which everything is handled once the events are. */
  readonly through: bigint;
  readonly link: Link | undefined;
  /** Messages behind a hole. Not empty: read the store beyond `through`, then go on with these. */
  readonly rest: readonly LiveMessage[];
}

/**
 * How far messages of the broker can be trusted to be all there is. The relay publishes in `$all` order, so a
 * message whose sequence is one more than that of a message at or before `through` is the next event of all. Any
 * other message ahead of `through` says only that the store has more.
 */
export function runOf(messages: readonly LiveMessage[], before: bigint, last: Link | undefined): Run {
  const events: ArrivedEvent[] = [];
  let [through, link] = [before, last];
  for (const [index, message] of messages.entries()) {
    const { consumer, sequence, position, event } = message;
    const isNext = link !== undefined && link.consumer === consumer && link.sequence + 1 === sequence;
    if (position > through && !isNext) return { events, through, link, rest: messages.slice(index) };
    events.push(event);
    if (position > through) through = position;
    link = { consumer, sequence };
  }
  return { events, through, link, rest: [] };
}

/** Messages on their way to one worker. When it is full the newest are dropped: the hole sends the worker to the store. */
export class Inbox {
  #messages: LiveMessage[] = [];
  #wake: (() => void) | undefined;

  constructor(private readonly capacity = 5_000) {}

  push(message: LiveMessage): void {
    if (this.#messages.length >= this.capacity) return;
    this.#messages.push(message);
    this.#wake?.();
  }

  /** Puts back what could not be applied yet. */
  putBack(messages: readonly LiveMessage[]): void {
    if (messages.length > 0) this.#messages = [...messages, ...this.#messages];
  }

  /** Up to `count` messages; none when nothing came for `milliseconds` or `signal` was aborted. */
  async take(count: number, milliseconds: number, signal: AbortSignal): Promise<LiveMessage[]> {
    if (this.#messages.length === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          this.#wake = undefined;
          resolve();
        };
        const timer = setTimeout(wake, milliseconds);
        signal.addEventListener('abort', wake, { once: true });
        this.#wake = wake;
      });
    }
    return this.#messages.splice(0, count);
  }
}
