import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { edge, type SharedCommandOf, sharedCommandSubject } from '@oo/contracts';
import { CommandHandling, type EventStore } from '@oo/event-sourcing';
import { answerCommand, EVENT_STORE, LOG, type Log } from '@oo/service-host';
import {
  type PolicyEvent,
  type PriorEvent,
  type Priors,
  policiesDecider,
  priorsDecider,
} from './policies.js';

const { PublishPrior, JudgePolicy } = edge.sharedCommands;
/** A prior has tens of thousands of characters; that many of them are looked at. */
const PRIORS_WINDOW = 500;
const POLICIES_WINDOW = 500;

/** What becomes of priors and policies before they go live. */
@Controller()
export class PoliciesController {
  readonly #priors: CommandHandling<Priors, SharedCommandOf<'PublishPrior'>, PriorEvent>;
  readonly #policies: CommandHandling<null, SharedCommandOf<'JudgePolicy'>, PolicyEvent>;

  constructor(
    @Inject(EVENT_STORE) store: EventStore,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.#priors = new CommandHandling(store, 'priors', priorsDecider, { window: PRIORS_WINDOW });
    this.#policies = new CommandHandling(store, 'policies', policiesDecider, { window: POLICIES_WINDOW });
  }

  @MessagePattern(sharedCommandSubject('PublishPrior'))
  publishPrior(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      PublishPrior,
      (command) => this.#priors.handle(command.context, command),
      this.log,
    );
  }

  @MessagePattern(sharedCommandSubject('JudgePolicy'))
  judgePolicy(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      JudgePolicy,
      (command) => this.#policies.handle(command.context, command),
      this.log,
    );
  }
}
