import { Body, Controller, Get, Inject, Param, Post, Query, UseGuards } from '@nestjs/common';
import type { Caller } from '../caller/caller.js';
import { CallerGuard, TheCaller } from '../caller/caller-guard.js';
import type { CommandSender } from '../commands/command-sender.js';
import { Parsed } from '../http/parsed.js';
import { noQuery } from '../http/query-values.js';
import { COMMAND_SENDER, CURRENT_TIPS, EXPLANATIONS } from '../tokens.js';
import {
  type AnswerInput,
  answerInput,
  type ShownInput,
  shownInput,
  type TipRecorded,
} from './answer-input.js';
import { type CurrentTip, type TipQuery, tipQuery } from './current-tip.js';
import type { CurrentTips } from './current-tips.js';
import type { Explanation } from './explanation.js';
import type { Explanations } from './explanations.js';
import { answerTip, decisionIdOfPath, showTip } from './tip-commands.js';

@Controller('v1')
@UseGuards(CallerGuard)
export class TipsController {
  constructor(
    @Inject(COMMAND_SENDER) private readonly commands: CommandSender,
    @Inject(CURRENT_TIPS) private readonly tips: CurrentTips,
    @Inject(EXPLANATIONS) private readonly explanations: Explanations,
  ) {}

  @Get('tip')
  current(
    @TheCaller() caller: Caller,
    @Query(new Parsed(tipQuery)) { after, timeoutMs }: TipQuery,
  ): Promise<CurrentTip> {
    return this.tips.of(caller.userId, after, timeoutMs);
  }

  @Post('tips/:id/shown')
  shown(
    @TheCaller() caller: Caller,
    @Param('id') id: string,
    @Body(new Parsed(shownInput)) { shownAt, deviceId }: ShownInput,
    @Query(new Parsed(noQuery)) _: object,
  ): Promise<TipRecorded> {
    const said = shownAt === undefined ? undefined : { at: shownAt, field: 'shownAt' };
    return showTip(this.commands, caller, decisionIdOfPath(id), deviceId, said);
  }

  @Post('tips/:id/answers')
  answer(
    @TheCaller() caller: Caller,
    @Param('id') id: string,
    @Body(new Parsed(answerInput)) { answer, answeredAt, idempotencyKey }: AnswerInput,
    @Query(new Parsed(noQuery)) _: object,
  ): Promise<TipRecorded> {
    const said = { at: answeredAt, field: 'answeredAt' };
    return answerTip(this.commands, caller, decisionIdOfPath(id), answer, idempotencyKey, said);
  }

  @Get('tips/:id/why')
  why(
    @TheCaller() caller: Caller,
    @Param('id') id: string,
    @Query(new Parsed(noQuery)) _: object,
  ): Promise<Explanation> {
    return this.explanations.of(caller.userId, decisionIdOfPath(id));
  }
}
