import type { NatsConnection } from '@nats-io/transport-node';
import { Module } from '@nestjs/common';
import { type EventStore, JetStreamSnapshots } from '@oo/event-sourcing';
import { EVENT_STORE, NATS } from '@oo/service-host';
import { PoliciesModule } from './policies/policies.module.js';
import { ProcessManagers } from './process-managers/process-managers.js';
import { ProgressController } from './process-managers/progress.controller.js';
import { TipsController } from './tips.controller.js';
import { TIPS, Tips } from './tips.js';

/** Commands of tips, and the process managers around them. The process has to be configured with `tipsConfig`. */
@Module({
  imports: [PoliciesModule],
  controllers: [TipsController, ProgressController],
  providers: [
    {
      provide: TIPS,
      useFactory: (store: EventStore, nats: NatsConnection) => new Tips(store, new JetStreamSnapshots(nats)),
      inject: [EVENT_STORE, NATS],
    },
    ProcessManagers,
  ],
})
export class TipsModule {}
