import { createRequire } from 'node:module';
import type { NatsConnection } from '@nats-io/transport-node';
import { type Clock, connectNats, EventStore, SteeredClock, systemClock } from '@oo/event-sourcing';
import { z } from 'zod';
import { CONFIG } from '../config/pieces.js';
import { Health } from '../health/health.js';
import { serveHealth } from '../health/health-server.js';
import { createLog, type Log } from '../logging/log.js';
import type { HostParts } from './tokens.js';

/** What every process is configured with. A process extends it: `hostConfig.extend({ OO_PORT: CONFIG.OO_PORT })`. */
export const hostConfig = z.object({
  OO_EVENTSTORE_URL: CONFIG.OO_EVENTSTORE_URL,
  OO_NATS_URL: CONFIG.OO_NATS_URL,
  OO_HEALTH_PORT: CONFIG.OO_HEALTH_PORT,
  OO_CLOCK: CONFIG.OO_CLOCK,
  OO_LOG_LEVEL: CONFIG.OO_LOG_LEVEL,
  OTEL_EXPORTER_OTLP_ENDPOINT: CONFIG.OTEL_EXPORTER_OTLP_ENDPOINT,
});
export type HostConfig = z.infer<typeof hostConfig>;

const VERSION: unknown = createRequire(import.meta.url)('../../package.json').version;

/** The parts of a process, open, and how to close them again. */
export interface OpenParts extends HostParts {
  close(): Promise<void>;
}

/**
 * Opens the health endpoint first, so that a process that waits for the broker can say so, then the connections.
 * Waits for the broker as long as it takes.
 */
export async function openParts(name: string, config: HostConfig): Promise<OpenParts> {
  const log = createLog(name, config.OO_LOG_LEVEL);
  const health = new Health(name, String(VERSION));
  const endTelemetry = await telemetryOf(name, config, log);
  let nats: NatsConnection | undefined;
  let connected = false;
  health.add('nats', () => ({ ok: connected }));
  const server =
    config.OO_HEALTH_PORT === undefined ? undefined : await serveHealth(health, config.OO_HEALTH_PORT, log);
  const eventStore = EventStore.connect(config.OO_EVENTSTORE_URL);
  health.add('eventstore', async () => {
    await eventStore.head();
    return { ok: true };
  });
  nats = await connectNats(config.OO_NATS_URL, name);
  connected = true;
  watch(nats, log, (now) => {
    connected = now;
  });
  return {
    nats,
    eventStore,
    clock: await clockOf(config, nats, log),
    log,
    health,
    close: async () => {
      await nats.drain().catch((err: unknown) => log.warn({ err }, 'the broker was gone already'));
      await eventStore.close();
      if (server !== undefined) await new Promise((resolve) => server.close(resolve));
      await endTelemetry?.();
    },
  };
}

/** Loads OpenTelemetry where somebody wants to have what it tells. */
async function telemetryOf(
  name: string,
  config: HostConfig,
  log: Log,
): Promise<(() => Promise<void>) | undefined> {
  if (config.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return undefined;
  const { exportTelemetry } = await import('../telemetry/otlp.js');
  return exportTelemetry(name, (err) => log.warn({ err }, 'a figure cannot be read'));
}

async function clockOf(config: HostConfig, nats: NatsConnection, log: Log): Promise<Clock> {
  if (config.OO_CLOCK === 'system') return systemClock;
  const clock = new SteeredClock();
  await clock.follow(nats, (reason) => log.warn({ reason }, 'a message for the clock was ignored'));
  return clock;
}

async function watch(nats: NatsConnection, log: Log, set: (connected: boolean) => void): Promise<void> {
  for await (const { type } of nats.status()) {
    if (type === 'disconnect') set(false);
    if (type === 'reconnect') set(true);
    if (type === 'disconnect' || type === 'error' || type === 'slowConsumer') log.warn({ type }, 'broker');
    else log.debug({ type }, 'broker');
  }
}
