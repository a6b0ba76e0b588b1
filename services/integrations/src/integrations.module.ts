import { Module } from '@nestjs/common';
import { readConfig } from '@oo/service-host';
import { providerAddresses } from './config.js';
import { CONNECTORS } from './connectors/connectors.js';
import { Registry } from './connectors/registry.js';
import { IntegrationsController } from './integrations.controller.js';
import { REGISTRY } from './tokens.js';

// Read here and not in the process's configuration: the module alone knows which connectors there are.
const registry = {
  provide: REGISTRY,
  useFactory: () => new Registry(CONNECTORS, readConfig(providerAddresses)),
};

@Module({ controllers: [IntegrationsController], providers: [registry] })
export class IntegrationsModule {}
