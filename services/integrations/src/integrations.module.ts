import { Module } from '@nestjs/common';
import { CONNECTORS } from './connectors/connectors.js';
import { Registry } from './connectors/registry.js';
import { IntegrationsController } from './integrations.controller.js';
import { REGISTRY } from './tokens.js';

// Each connector names the variable that its provider's address is in, so no schema can list them all: the registry
// checks what it finds.
const registry = { provide: REGISTRY, useFactory: () => new Registry(CONNECTORS, process.env) };

@Module({ controllers: [IntegrationsController], providers: [registry] })
export class IntegrationsModule {}
