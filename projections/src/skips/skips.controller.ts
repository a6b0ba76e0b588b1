import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { commandPattern, edge } from '@oo/contracts';
import { CommandHandling, type EventStore, WHOLE_STREAM } from '@oo/event-sourcing';
import { answerCommand, EVENT_STORE, LOG, type Log } from '@oo/service-host';
import { type SkipEvent, type SkipParkedEvent, type Skips, skipsDecider } from './skips.js';

/** Records which events a read model leaves out; the workers then obey the events. */
@Controller()
export class SkipsController {
  readonly #skips: CommandHandling<Skips, SkipParkedEvent, SkipEvent>;

  constructor(
    @Inject(EVENT_STORE) store: EventStore,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.#skips = new CommandHandling(store, 'skips', skipsDecider, { window: WHOLE_STREAM });
  }

  @MessagePattern(commandPattern('SkipParkedEvent'))
  skip(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      edge.commands.SkipParkedEvent,
      (command) => this.#skips.handle(command.context, command),
      this.log,
    );
  }
}
