import type { NatsConnection } from '@nats-io/transport-node';
import {
  CommandContext,
  type CommandId,
  type CommandName,
  epochMs,
  type Instant,
  instant,
  ProblemError,
  problem,
  type Recorded,
  tenantOf,
} from '@oo/contracts';
import { type Clock, sendCommand } from '@oo/event-sourcing';
import type { Caller } from '../caller/caller.js';

/** How far a producer's clock may be ahead. */
const AHEAD_MS = 5 * 60_000;

/** When something happened by the caller's word, and the field in which they said so. */
export interface Said {
  readonly at: Instant;
  readonly field: string;
}

export interface Command {
  readonly commandId: CommandId;
  /** What it follows from; by default from nothing but itself. */
  readonly causationId?: string;
  /** Now, where nobody said anything else. */
  readonly said?: Said;
  /** The command's own fields, as canonical proto3 JSON. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Sends commands for callers: stamps who, when and from where, and gives what was recorded. */
export class CommandSender {
  constructor(
    private readonly nats: NatsConnection,
    private readonly clock: Clock,
  ) {}

  now(): Instant {
    return this.clock.now();
  }

  /** The moment that lies so many milliseconds back, by the gateway's clock. */
  before(milliseconds: number): Instant {
    return instant(epochMs(this.clock.now()) - milliseconds);
  }

  /**
   * @throws ProblemError `from-the-future` before anything is sent; whatever the handler answers; `unavailable` when
   * it does not, and then sending the same again is safe
   */
  async send(name: CommandName, caller: Caller, command: Command): Promise<Recorded> {
    const receivedAt = this.clock.now();
    const { commandId, causationId = commandId, said, fields } = command;
    if (said !== undefined && epochMs(said.at) > epochMs(receivedAt) + AHEAD_MS) {
      throw new ProblemError(
        problem('from-the-future', `It is ${receivedAt} here. Set the clock and send again.`, [
          { field: said.field, message: 'lies more than 5 minutes ahead' },
        ]),
      );
    }
    const context = CommandContext.toJSON({
      commandId,
      userId: caller.userId,
      tenantId: tenantOf(caller.userId),
      correlationId: commandId,
      causationId,
      producer: caller.producer,
      occurredAt: said?.at ?? receivedAt,
      receivedAt,
    });
    const { result } = await sendCommand(this.nats, name, caller.userId, { context, ...fields });
    if (result?.$case === 'recorded') return result.recorded;
    if (result?.$case === 'problem') throw new ProblemError(result.problem);
    throw new Error(`${name} was answered with neither a result nor a problem`);
  }
}
