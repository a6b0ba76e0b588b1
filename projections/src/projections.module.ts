import type { NatsConnection } from '@nats-io/transport-node';
import {
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { EventStore } from '@oo/event-sourcing';
import { CONFIGURATION, EVENT_STORE, HEALTH, type Health, LOG, type Log, NATS } from '@oo/service-host';
import type { ProjectionsConfig } from './configuration.js';
import { ProjectionsHost } from './projections-host.js';
import { SkipsController } from './skips/skips.controller.js';

@Injectable()
class ProjectionsLifeCycle implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #host: ProjectionsHost;

  constructor(
    @Inject(NATS) nats: NatsConnection,
    @Inject(EVENT_STORE) eventStore: EventStore,
    @Inject(HEALTH) health: Health,
    @Inject(LOG) log: Log,
    @Inject(CONFIGURATION) config: ProjectionsConfig,
  ) {
    this.#host = new ProjectionsHost({ nats, eventStore, health, log }, config);
  }

  onApplicationBootstrap(): void {
    this.#host.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.#host.stop();
  }
}

/** Keeps the read models. The process has to be configured with `projectionsConfig`. */
@Module({ providers: [ProjectionsLifeCycle], controllers: [SkipsController] })
export class ProjectionsModule {}
