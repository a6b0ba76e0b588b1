import { Module } from '@nestjs/common';
import { CONFIGURATION } from '@oo/service-host';
import { CONNECTORS } from './connectors/connectors.js';
import { type Addresses, Registry } from './connectors/registry.js';
import { IntegrationsController } from './integrations.controller.js';
import { REGISTRY } from './tokens.js';

const registry = {
  provide: REGISTRY,
  inject: [CONFIGURATION],
  useFactory: (config: Addresses) => new Registry(CONNECTORS, config),
};

@Module({ controllers: [IntegrationsController], providers: [registry] })
export class IntegrationsModule {}
