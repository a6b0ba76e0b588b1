import type { CommandReply } from '@oo/contracts';
import { EventStoreUnavailable } from '@oo/event-sourcing';

/** A command that was not settled: it may be sent again as it is. */
export class NotSettled extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'NotSettled';
  }
}

const AGAIN = ['urn:oo:problem:unavailable', 'urn:oo:problem:conflict'];

/**
 * What a command of a process manager came to: nothing more to do, also where the command was refused for good (the
 * person has left, the tip is unknown): the code of the problem.
 * @throws NotSettled where it has to be sent again
 */
export function settled({ result }: CommandReply): string | undefined {
  if (result?.$case !== 'problem') return undefined;
  const { type, detail } = result.problem;
  if (AGAIN.includes(type)) throw new NotSettled(detail);
  return type;
}

/** Whether an error is of a connection, so that trying again is all there is to do. */
export const isDown = (error: unknown): boolean =>
  error instanceof NotSettled || error instanceof EventStoreUnavailable;
