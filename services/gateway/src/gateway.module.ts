import { type DynamicModule, Module } from '@nestjs/common';
import { HistoryController } from './history/history.controller.js';
import { OpenApiController } from './openapi/openapi.controller.js';
import { SignalsController } from './signals/signals.controller.js';
import { TipsController } from './tips/tips.controller.js';

/** What the gateway's controllers are given, by the tokens of `tokens.ts`. */
export type GatewayProviders = readonly { readonly provide: symbol; readonly useValue: unknown }[];

@Module({})
// biome-ignore lint/complexity/noStaticOnlyClass: Nest knows a module by its class
export class GatewayModule {
  static with(imports: readonly DynamicModule[], providers: GatewayProviders): DynamicModule {
    return {
      module: GatewayModule,
      imports: [...imports],
      controllers: [SignalsController, TipsController, HistoryController, OpenApiController],
      providers: [...providers],
    };
  }
}
