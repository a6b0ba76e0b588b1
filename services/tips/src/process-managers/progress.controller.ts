import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { QUERIES } from '@oo/contracts';
import { progressQuery } from '@oo/event-sourcing';
import { answerQueryOf, LOG, type Log } from '@oo/service-host';
import { ProcessManagers } from './process-managers.js';

@Controller()
export class ProgressController {
  constructor(
    @Inject(ProcessManagers) private readonly managers: ProcessManagers,
    @Inject(LOG) private readonly log: Log,
  ) {}

  @MessagePattern(QUERIES.progress('proposals'))
  proposals(@Payload() body: Uint8Array): Promise<unknown> {
    return answerQueryOf(body, progressQuery, (query) => this.managers.proposalsProgress(query), this.log);
  }

  @MessagePattern(QUERIES.progress('deadlines'))
  deadlines(@Payload() body: Uint8Array): Promise<unknown> {
    return answerQueryOf(body, progressQuery, (query) => this.managers.deadlinesProgress(query), this.log);
  }
}
