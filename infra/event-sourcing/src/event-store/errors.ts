import {
  CancelledError,
  DeadlineExceededError,
  NotLeaderError,
  TimeoutError,
  UnavailableError,
} from '@eventstore/db-client';

/** The store does not answer. What was asked of it may have happened or not. */
export class EventStoreUnavailable extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(`the event store does not answer: ${reason}`, options);
    this.name = 'EventStoreUnavailable';
  }
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

const CONNECTION_ERRORS = [
  CancelledError,
  DeadlineExceededError,
  NotLeaderError,
  TimeoutError,
  UnavailableError,
];

/** An {@link EventStoreUnavailable} where `error` is one of the connection and not of the request. */
export function unavailableBecause(error: unknown): EventStoreUnavailable | undefined {
  if (error instanceof EventStoreUnavailable) return error;
  if (CONNECTION_ERRORS.some((kind) => error instanceof kind)) {
    return new EventStoreUnavailable((error as Error).message, { cause: error });
  }
  // grpc-js says so when another call has just found the connection dead and closed it.
  if (error instanceof Error && /Channel has been shut down|write after end/i.test(error.message)) {
    return new EventStoreUnavailable(error.message, { cause: error });
  }
  return undefined;
}
