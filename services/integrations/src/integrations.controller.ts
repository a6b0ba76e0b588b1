import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { CandidateList, edge, QUERIES, TipText } from '@oo/contracts';
import { answerQueryOf, LOG, type Log } from '@oo/service-host';
import type { Registry } from './connectors/registry.js';
import { fetchText } from './fetch-text.js';
import { listCandidates, type Notice } from './list-candidates.js';
import { REGISTRY } from './tokens.js';

@Controller()
export class IntegrationsController {
  constructor(
    @Inject(REGISTRY) private readonly registry: Registry,
    @Inject(LOG) private readonly log: Log,
  ) {}

  @MessagePattern(QUERIES.candidates)
  candidates(@Payload() body: Uint8Array): Promise<unknown> {
    return answerQueryOf(
      body,
      edge.queries.ListCandidates,
      async (query) => CandidateList.toJSON(await listCandidates(this.registry, query, this.#notice)),
      this.log,
    );
  }

  @MessagePattern(QUERIES.text)
  text(@Payload() body: Uint8Array): Promise<unknown> {
    return answerQueryOf(
      body,
      edge.queries.FetchText,
      async (query) => TipText.toJSON(await fetchText(this.registry, query, this.#notice)),
      this.log,
    );
  }

  readonly #notice: Notice = (event) => this.log.warn(event, 'a provider did not give what it should');
}
