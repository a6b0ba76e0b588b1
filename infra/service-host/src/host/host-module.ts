import { type DynamicModule, Module } from '@nestjs/common';
import { CLOCK, CONFIGURATION, EVENT_STORE, HEALTH, type HostParts, LOG, NATS } from './tokens.js';

/** Gives what the process has to every module in it. */
@Module({})
// biome-ignore lint/complexity/noStaticOnlyClass: Nest knows a module by its class
export class HostModule {
  static with(parts: HostParts, configuration: unknown): DynamicModule {
    const providers = [
      { provide: NATS, useValue: parts.nats },
      { provide: EVENT_STORE, useValue: parts.eventStore },
      { provide: CLOCK, useValue: parts.clock },
      { provide: LOG, useValue: parts.log },
      { provide: HEALTH, useValue: parts.health },
      { provide: CONFIGURATION, useValue: configuration },
    ];
    return {
      module: HostModule,
      global: true,
      providers,
      exports: providers.map(({ provide }) => provide),
    };
  }
}
