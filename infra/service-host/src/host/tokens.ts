import type { NatsConnection } from '@nats-io/transport-node';
import type { Clock, EventStore } from '@oo/event-sourcing';
import type { Health } from '../health/health.js';
import type { Log } from '../logging/log.js';

// No decorator metadata is emitted, so what a class needs is named: constructor(@Inject(CLOCK) clock: Clock).
export const NATS = Symbol('NatsConnection');
export const EVENT_STORE = Symbol('EventStore');
export const CLOCK = Symbol('Clock');
export const LOG = Symbol('Log');
export const HEALTH = Symbol('Health');
/** The configuration of the process, as its schema parsed it. */
export const CONFIGURATION = Symbol('Configuration');

/** What every process has. */
export interface HostParts {
  readonly nats: NatsConnection;
  readonly eventStore: EventStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly health: Health;
}
