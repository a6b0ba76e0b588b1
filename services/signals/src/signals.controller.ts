import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { commandPattern, edge } from '@oo/contracts';
import { CommandHandling, type EventStreams } from '@oo/event-sourcing';
import { answerCommand, EVENT_STORE, LOG, type Log } from '@oo/service-host';
import {
  IDEMPOTENCY_WINDOW,
  isRetry,
  type RecordSignalCommand,
  type SignalEvent,
  signalsDecider,
} from './domain/signals.js';

@Controller()
export class SignalsController {
  readonly #signals: CommandHandling<null, RecordSignalCommand, SignalEvent>;

  constructor(
    @Inject(EVENT_STORE) store: EventStreams,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.#signals = new CommandHandling(store, 'signals', signalsDecider, {
      window: IDEMPOTENCY_WINDOW,
      isRetry,
    });
  }

  @MessagePattern(commandPattern('RecordSignal'))
  recordSignal(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      edge.commands.RecordSignal,
      (command) => this.#signals.handle(command.context, command),
      this.log,
    );
  }
}
