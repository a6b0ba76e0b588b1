import { Controller, Get, Inject, Query, UseGuards } from '@nestjs/common';
import { decisionsPage, type PageRequest, type ReadModels, timelinePage } from '@oo/projections';
import type { Caller } from '../caller/caller.js';
import { CallerGuard, TheCaller } from '../caller/caller-guard.js';
import { Parsed } from '../http/parsed.js';
import { READ_MODELS } from '../tokens.js';
import { type DecisionsView, inText, type PageQuery, pageQuery, type TimelineView } from './history.js';

@Controller('v1')
@UseGuards(CallerGuard)
export class HistoryController {
  constructor(@Inject(READ_MODELS) private readonly sql: ReadModels) {}

  @Get('timeline')
  async timeline(
    @TheCaller() { userId }: Caller,
    @Query(new Parsed(pageQuery)) query: PageQuery,
  ): Promise<TimelineView> {
    return inText(await timelinePage(this.sql, userId, requestOf(query)));
  }

  @Get('decisions')
  async decisions(
    @TheCaller() { userId }: Caller,
    @Query(new Parsed(pageQuery)) query: PageQuery,
  ): Promise<DecisionsView> {
    return inText(await decisionsPage(this.sql, userId, requestOf(query)));
  }
}

function requestOf({ before, limit }: PageQuery): PageRequest {
  return before === undefined ? { limit } : { before, limit };
}
