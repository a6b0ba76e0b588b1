import { once } from 'node:events';
import type { Server } from 'node:http';
import type { NatsConnection } from '@nats-io/transport-node';
import { epochMs, instant } from '@oo/contracts';
import { type Clock, connectNats, systemClock } from '@oo/event-sourcing';
import type { Health, Log } from '@oo/service-host';
import { Doorbell } from './conductor/doorbell.js';
import { EventFeed } from './conductor/event-feed.js';
import { HistoryPlay } from './conductor/history.js';
import { Ingress } from './conductor/ingress.js';
import type { LifeSeen } from './conductor/life-seen.js';
import { playLive } from './conductor/live.js';
import { Progress } from './conductor/progress.js';
import { Stage } from './conductor/stage.js';
import { Steering } from './conductor/steering.js';
import type { DemoConfig } from './configuration.js';
import { taskRef } from './mapper.js';
import { localDayOf, localMs } from './person/calendar.js';
import { openTasks } from './person/life.js';
import { type Person, personOf } from './person/person.js';
import { DemoFile, type DemoState } from './provider/demo-file.js';
import { Ledger } from './provider/ledger.js';
import { providerServer } from './provider/server.js';

/** What the process gives to a demo life. */
export interface DemoSurroundings {
  readonly config: DemoConfig;
  readonly health: Health;
  readonly log: Log;
  /** Where progress goes, a line at a time. */
  readonly tell: (line: string) => void;
  readonly stopped: AbortSignal;
  readonly clock?: Clock;
}

/**
 * How long what has begun may take to come to its end when all is stopped. A provider that left while a signal of its
 * own is being decided on would leave that decision without todos, and the history would be another.
 */
const LAST_STEP_MS = 2_000;

/**
 * Plays the demo person: their provider, their history, and then their life as the time goes by. Runs until it is
 * stopped.
 */
export async function runDemoLife(surroundings: DemoSurroundings): Promise<void> {
  const { config, health, log, tell, stopped: stopping, clock = systemClock } = surroundings;
  const stopped = delayed(stopping, LAST_STEP_MS);
  let phase = 'waiting for the broker';
  let progress: Progress | undefined;
  let connected = false;
  health.add('nats', () => ({ ok: connected }));
  health.add('life', () => ({ ok: phase === 'live', detail: { phase, percent: progress?.percent ?? 0 } }));
  const nats = await connectNats(config.OO_NATS_URL, 'demo');
  try {
    const doorbell = new Doorbell();
    const feed = new EventFeed(nats, config.OO_DEMO_USER, () => doorbell.ring(), stopped);
    connected = true;
    watch(nats, (now) => {
      connected = now;
      // What the broker sent meanwhile has to be read from the history.
      feed.missed();
      doorbell.ring();
    });
    const file = new DemoFile(config.OO_DATA_DIR);
    await feed.sync();
    const { ledger: json, ...kept } = await stateOf(config, file, feed.seen, clock, log);
    const person = personOf(kept.seed, kept.utcOffsetMinutes);
    const ledger = new Ledger(json);
    const retrying = (reason: string) => log.info({ reason }, 'the ingress is asked again');
    const ingress = new Ingress(config.OO_PUBLIC_URL, config.OO_DEMO_TOKEN, retrying, stopped);
    const user = config.OO_DEMO_USER;
    const mark = config.OO_DEMO_CANARY;
    const stage = new Stage(
      { nats, user, person, ledger, file, ingress, feed, clock, log, stopping, stopped, mark },
      kept,
    );
    const done = (taskId: string) => stage.tickOff(taskId, clock.now());
    const server = await listen(providerServer({ user, ledger, done }), config.OO_DEMO_PROVIDER_URL);
    const steering = new Steering(nats, config.OO_DATA_DIR);
    try {
      if (kept.phase === 'history') {
        phase = 'history';
        const now = () => performance.now();
        progress = new Progress(epochMs(kept.startsAt), kept.utcOffsetMinutes, tell, now);
        await new HistoryPlay(stage, steering, progress).play();
      } else if (steering.now !== undefined) {
        await steering.release();
      }
      phase = 'live';
      await playLive(stage, doorbell, config.OO_DEMO_PACE);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  } catch (error) {
    if (!stopping.aborted) throw error;
  } finally {
    await nats.close();
  }
}

/** Where the life goes on: in its file, or, where that is not about this system, at the beginning. */
async function stateOf(
  config: DemoConfig,
  file: DemoFile,
  seen: LifeSeen,
  clock: Clock,
  log: Log,
): Promise<DemoState> {
  const kept = await file.read();
  const user = config.OO_DEMO_USER;
  const begun = seen.signals > 0;
  if (kept !== undefined && kept.user === user && (kept.phase === 'history' || begun)) {
    if (kept.seed !== config.OO_DEMO_SEED) log.warn('the life goes on with the seed that it began with');
    return kept;
  }
  const { OO_DEMO_SEED: seed, OO_DEMO_UTC_OFFSET: offset = -new Date().getTimezoneOffset() } = config;
  const person = personOf(seed, offset);
  const now = epochMs(clock.now());
  const common = { version: 1, user, seed, utcOffsetMinutes: offset } as const;
  const empty = { tasks: [], habits: [], appointments: [] };
  if (!begun) {
    const startsAt = instant(startOf(config.OO_DEMO_WEEKS, now, offset));
    return { ...common, phase: 'history', startsAt, playedUntil: startsAt, ledger: empty };
  }
  // The file is lost and the history is not: the provider begins again with what must still be open.
  log.warn('the provider’s file was lost; its tasks are made again');
  return {
    ...common,
    phase: 'live',
    startsAt: instant(now),
    playedUntil: instant(now),
    ledger: { ...empty, tasks: stillOpen(person, now, seen.finished) },
  };
}

const EARLY_MINUTE = 4 * 60;

/** Before anybody is up, on a day that lies so many weeks back. */
function startOf(weeks: number, now: number, utcOffsetMinutes: number): number {
  if (weeks === 0) return now;
  return localMs(localDayOf(now, utcOffsetMinutes) - 7 * weeks, EARLY_MINUTE, utcOffsetMinutes);
}

function stillOpen(person: Person, now: number, finished: ReadonlySet<string>): DemoState['ledger']['tasks'] {
  const tasks = openTasks(person, now).filter(({ id }) => !finished.has(taskRef(id)));
  return tasks.map((task) => ({ task, state: 'open', changedAt: task.createdAt }));
}

/** Aborts so much later than `signal`. */
function delayed(signal: AbortSignal, milliseconds: number): AbortSignal {
  const later = new AbortController();
  const wait = () => setTimeout(() => later.abort(signal.reason), milliseconds).unref();
  if (signal.aborted) wait();
  else signal.addEventListener('abort', wait, { once: true });
  return later.signal;
}

async function listen(server: Server, url: string): Promise<Server> {
  const { hostname, port } = new URL(url);
  server.listen(Number(port === '' ? 80 : port), hostname);
  await once(server, 'listening');
  return server;
}

/** @param changed told whether the broker is there, each time that this changes, and when it was too fast for us */
async function watch(nats: NatsConnection, changed: (connected: boolean) => void): Promise<void> {
  for await (const { type } of nats.status()) {
    if (type === 'disconnect') changed(false);
    if (type === 'reconnect' || type === 'slowConsumer') changed(true);
  }
}
