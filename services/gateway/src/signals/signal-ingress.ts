import { ProblemError, payloadJson, problem, signalCommandId } from '@oo/contracts';
import type { Caller } from '../caller/caller.js';
import type { CommandSender } from '../commands/command-sender.js';
import type { SignalInput, SignalRecorded } from './signal-input.js';

/** Sends a caller's own signal. @throws ProblemError `foreign-user`, and as {@link CommandSender.send} */
export async function recordSignal(
  commands: CommandSender,
  caller: Caller,
  input: SignalInput,
): Promise<SignalRecorded> {
  if (input.userId !== undefined && input.userId !== caller.userId) {
    throw new ProblemError(
      problem('foreign-user', 'Leave userId out, or send the token of that person.', [
        { field: 'userId', message: 'is another person than the caller' },
      ]),
    );
  }
  const field = input.type.charAt(0).toLowerCase() + input.type.slice(1);
  const recorded = await commands.send('RecordSignal', caller, {
    commandId: signalCommandId(caller.userId, caller.producer, input.idempotencyKey),
    said: { at: input.occurredAt, field: 'occurredAt' },
    fields: { idempotencyKey: input.idempotencyKey, [field]: payloadJson(input) },
  });
  const [eventId] = recorded.eventIds;
  if (eventId === undefined) throw new Error('a recorded signal has no event');
  return {
    eventId,
    stream: recorded.stream,
    revision: String(recorded.revision),
    duplicate: recorded.duplicate,
  };
}
