import type { NatsConnection } from '@nats-io/transport-node';
import {
  type BeforeApplicationShutdown,
  Controller,
  Inject,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { QUERIES } from '@oo/contracts';
import { type EventStore, figures, lagBehind, lagReadings, progressQuery, settle } from '@oo/event-sourcing';
import { answerQueryOf, EVENT_STORE, HEALTH, type Health, LOG, type Log, NATS } from '@oo/service-host';
import { z } from 'zod';
import { History, historyQuery } from './history.js';
import { JetStreamTopic } from './jetstream-topic.js';
import { Relay, type RelayReport } from './relay.js';

/** Runs the relay, and answers for it and for the store. */
@Controller()
export class RelayController implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #stop = new AbortController();
  readonly #relay: Relay;
  readonly #history: History;
  #running: Promise<void> = Promise.resolve();
  #endFigures: () => void = () => undefined;

  constructor(
    @Inject(NATS) nats: NatsConnection,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(LOG) private readonly log: Log,
    @Inject(HEALTH) health: Health,
  ) {
    this.#relay = new Relay(new JetStreamTopic(nats), store, (what) => this.#report(what));
    this.#history = new History(store, (event) => this.#report({ kind: 'left-out', event }));
    health.add('relay', () => ({
      ok: this.#relay.isFollowing,
      detail: { position: String(this.#relay.standing.position), atRest: this.#relay.standing.atRest },
    }));
  }

  onApplicationBootstrap(): void {
    this.#endFigures = figures.from(async () => {
      const { position } = this.#relay.standing;
      return [
        ...lagReadings('relay', await lagBehind(this.store, position, Date.now())),
        { name: 'oo.consumer.position', labels: { consumer: 'relay' }, value: Number(position) },
      ];
    });
    this.#running = this.#relay.run(this.#stop.signal);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stop.abort();
    this.#endFigures();
    await this.#running;
  }

  @MessagePattern(QUERIES.historyRead)
  read(@Payload() body: Uint8Array): Promise<unknown> {
    return answerQueryOf(body, historyQuery, (query) => this.#history.read(query), this.log);
  }

  @MessagePattern(QUERIES.historyHead)
  head(@Payload() body: Uint8Array): Promise<unknown> {
    return answerQueryOf(
      body,
      z.strictObject({}),
      async () => ({ position: String(await this.#history.head()) }),
      this.log,
    );
  }

  @MessagePattern(QUERIES.progress('relay'))
  progress(@Payload() body: Uint8Array): Promise<unknown> {
    return answerQueryOf(
      body,
      progressQuery,
      (query) => settle(query, async () => this.#relay.standing),
      this.log,
    );
  }

  #report(what: RelayReport): void {
    if (what.kind === 'interrupted') {
      figures.add('oo.relay.restarts', {});
      this.log.warn({ err: what.error }, 'the relay begins again');
    } else if (what.kind === 'remade') {
      this.log.warn(
        { reason: what.reason },
        'the broker stored nothing any more, or had what the store has not; its streams were made anew',
      );
    } else if (what.kind === 'left-out') {
      const { id, type, position } = what.event;
      figures.add('oo.relay.left.out', {});
      this.log.error({ id, type, position: String(position) }, 'an event is too large for the broker');
    } else
      this.log.info({ after: String(what.after), sequence: what.sequence }, 'the relay follows the store');
  }
}
