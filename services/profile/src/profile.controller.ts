import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { commandPattern, edge } from '@oo/contracts';
import { CommandHandling, type EventStreams, WHOLE_STREAM } from '@oo/event-sourcing';
import { answerCommand, EVENT_STORE, LOG, type Log } from '@oo/service-host';
import { type Profile, type ProfileCommand, type ProfileEvent, profileDecider } from './domain/profile.js';

const { RegisterUser, ChangePreferences, GrantConsent, WithdrawConsent } = edge.commands;

@Controller()
export class ProfileController {
  readonly #profiles: CommandHandling<Profile, ProfileCommand, ProfileEvent>;

  constructor(
    @Inject(EVENT_STORE) store: EventStreams,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.#profiles = new CommandHandling(store, 'user', profileDecider, { window: WHOLE_STREAM });
  }

  @MessagePattern(commandPattern('RegisterUser'))
  registerUser(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      RegisterUser,
      (command) => this.#handle({ type: 'RegisterUser', command }),
      this.log,
    );
  }

  @MessagePattern(commandPattern('ChangePreferences'))
  changePreferences(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      ChangePreferences,
      (command) => this.#handle({ type: 'ChangePreferences', command }),
      this.log,
    );
  }

  @MessagePattern(commandPattern('GrantConsent'))
  grantConsent(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      GrantConsent,
      (command) => this.#handle({ type: 'GrantConsent', command }),
      this.log,
    );
  }

  @MessagePattern(commandPattern('WithdrawConsent'))
  withdrawConsent(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      WithdrawConsent,
      (command) => this.#handle({ type: 'WithdrawConsent', command }),
      this.log,
    );
  }

  #handle(command: ProfileCommand) {
    return this.#profiles.handle(command.command.context, command);
  }
}
