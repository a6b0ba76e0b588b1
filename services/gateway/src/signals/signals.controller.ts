import { Body, Controller, Inject, Post, Query, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../caller/caller.js';
import { CallerGuard, TheCaller } from '../caller/caller-guard.js';
import type { CommandSender } from '../commands/command-sender.js';
import { Parsed } from '../http/parsed.js';
import { noQuery } from '../http/query-values.js';
import { COMMAND_SENDER } from '../tokens.js';
import { recordSignal } from './signal-ingress.js';
import { type SignalInput, type SignalRecorded, signalInput } from './signal-input.js';

@Controller('v1/signals')
@UseGuards(CallerGuard)
export class SignalsController {
  constructor(@Inject(COMMAND_SENDER) private readonly commands: CommandSender) {}

  @Post()
  async record(
    @TheCaller() caller: Caller,
    @Body(new Parsed(signalInput)) input: SignalInput,
    @Query(new Parsed(noQuery)) _: object,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignalRecorded> {
    const recorded = await recordSignal(this.commands, caller, input);
    reply.status(recorded.duplicate ? 200 : 201);
    return recorded;
  }
}
