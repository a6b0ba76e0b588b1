import { Controller, Get, Inject } from '@nestjs/common';
import { CONFIGURATION } from '@oo/service-host';
import type { GatewayConfig } from '../config.js';
import { openApiDocument } from './document.js';

@Controller('v1/openapi.json')
export class OpenApiController {
  private readonly document: Record<string, unknown>;

  constructor(@Inject(CONFIGURATION) config: GatewayConfig) {
    this.document = openApiDocument(config.OO_PUBLIC_URL);
  }

  @Get()
  get(): Record<string, unknown> {
    return this.document;
  }
}
