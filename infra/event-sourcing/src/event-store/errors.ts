/** The store does not answer. What was asked of it may have happened or not. */
export class EventStoreUnavailable extends Error {
  /** @param late true where the connection stands and the answer did not come in time */
  constructor(
    reason: string,
    readonly late = false,
    options?: ErrorOptions,
  ) {
    super(`the event store does not answer: ${reason}`, options);
    this.name = 'EventStoreUnavailable';
  }
}

/**
 * Something that follows from the store knows more than the store has: it follows from another one, or this one was put
 * back from a backup. (Or it is a follower that lags behind, for a moment.)
 */
export class AnotherPast extends Error {
  /** @param what is known, and what the store says instead */
  constructor(what: string, options?: ErrorOptions) {
    super(
      `${what}. Where the store is another one, or was put back from a backup, make anew what follows from it: ` +
        'stop oO, and oo reset --derived',
      options,
    );
    this.name = 'AnotherPast';
  }
}

/** What the store answers where none of its events begins at the position to read on from; else undefined. */
export function anotherPastBecause(error: unknown): AnotherPast | undefined {
  if (!(error instanceof Error) || !/Unexpected (Filtered)?ReadAllResult/.test(error.message))
    return undefined;
  return new AnotherPast('No event of the store begins at the position to read on from', { cause: error });
}

/** Another wrote first. */
export class WrongRevision extends Error {
  constructor(
    readonly stream: string,
    readonly expected: bigint,
    readonly actual: unknown,
  ) {
    super(`${stream} was expected at revision ${expected} and is at ${String(actual)}`);
    this.name = 'WrongRevision';
  }

  /** True where the stream has gone on; false where it has fewer events than were expected. */
  get isAhead(): boolean {
    return typeof this.actual === 'bigint' && this.actual > this.expected;
  }
}

/** The stream was deleted for good: its person has left. */
export class StreamGone extends Error {
  constructor(readonly stream: string) {
    super(`${stream} was deleted for good`);
    this.name = 'StreamGone';
  }
}

// Status codes of gRPC: the client wraps most errors in classes of its own and lets some through as they are, so the
// code is what they have in common.
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const ABORTED = 10;
const INTERNAL = 13;
const UNAVAILABLE = 14;

/** An {@link EventStoreUnavailable} where `error` is one of the connection and not of the request. */
export function unavailableBecause(error: unknown): EventStoreUnavailable | undefined {
  if (error instanceof EventStoreUnavailable) return error;
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? error.code : undefined;
  const lost =
    code === CANCELLED ||
    code === DEADLINE_EXCEEDED ||
    code === ABORTED ||
    code === UNAVAILABLE ||
    // Others have just found the connection dead and closed it, or it broke amid an answer.
    (code === INTERNAL && /RST_STREAM|connection/i.test(error.message)) ||
    /Channel has been (shut down|closed)|write after end|not the leader/i.test(error.message);
  if (!lost) return undefined;
  return new EventStoreUnavailable(error.message, code === DEADLINE_EXCEEDED, { cause: error });
}
