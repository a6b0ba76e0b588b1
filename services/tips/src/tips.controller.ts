import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { commandPattern, edge } from '@oo/contracts';
import { answerCommand, LOG, type Log } from '@oo/service-host';
import { TIPS, type Tips } from './tips.js';

const { ShowTip, AnswerTip, CloseDecision } = edge.commands;

@Controller()
export class TipsController {
  constructor(
    @Inject(TIPS) private readonly tips: Tips,
    @Inject(LOG) private readonly log: Log,
  ) {}

  @MessagePattern(commandPattern('ShowTip'))
  showTip(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      ShowTip,
      (command) => this.tips.handle({ type: 'ShowTip', command }),
      this.log,
    );
  }

  @MessagePattern(commandPattern('AnswerTip'))
  answerTip(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      AnswerTip,
      (command) => this.tips.handle({ type: 'AnswerTip', command }),
      this.log,
    );
  }

  @MessagePattern(commandPattern('CloseDecision'))
  closeDecision(@Payload() body: Uint8Array): Promise<unknown> {
    return answerCommand(
      body,
      CloseDecision,
      (command) => this.tips.handle({ type: 'CloseDecision', command }),
      this.log,
    );
  }
}
