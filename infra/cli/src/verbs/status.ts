import { readFileSync } from 'node:fs';
import type { NatsConnection } from '@nats-io/transport-node';
import { QUERIES } from '@oo/contracts';
import { type RunFile, startTimeOf } from '@oo/embedded';
import { table } from '../output.js';
import { ask, withBroker } from '../running.js';
import { serverVersion } from './server-versions.js';

/** Consumers whose progress can be asked for, and the process that they run in. */
const WORKERS: readonly (readonly [worker: string, process: string])[] = [
  ['relay', 'relay'],
  ['proposals', 'handlers'],
  ['deadlines', 'handlers'],
  ['current-tip', 'projections'],
  ['timeline', 'projections'],
  ['decisions', 'projections'],
  ['recommender', 'recommender'],
];

export interface PartStatus {
  readonly part: string;
  readonly state: 'up' | 'down';
  readonly ready: boolean;
  readonly version: string | null;
  readonly pid: number;
  /** How often it was started again since oO was started. */
  readonly restarts: number;
  readonly memoryMiB: number | null;
  readonly checks: Readonly<Record<string, boolean>>;
}

export interface ConsumerStatus {
  readonly consumer: string;
  readonly process: string;
  /** Events of the store that it has not handled yet; null where it does not answer. */
  readonly lag: number | null;
  readonly position: string | null;
}

export interface Status {
  readonly url: string;
  readonly healthy: boolean;
  readonly parts: readonly PartStatus[];
  readonly consumers: readonly ConsumerStatus[];
}

export async function status(run: RunFile): Promise<Status> {
  const parts = await Promise.all(run.processes.map((entry) => partStatus(run, entry)));
  const consumers = await withBroker(run, consumersOf).catch(() =>
    WORKERS.map(([consumer, process]) => ({ consumer, process, lag: null, position: null })),
  );
  const healthy = parts.every((part) => part.ready) && consumers.every((consumer) => consumer.lag !== null);
  return { url: run.url, healthy, parts, consumers };
}

async function partStatus(run: RunFile, entry: RunFile['processes'][number]): Promise<PartStatus> {
  const alive = startTimeOf(entry.pid) === entry.startTime;
  const [health, server] = alive
    ? await Promise.all([
        entry.healthUrl === undefined ? undefined : healthOf(entry.healthUrl),
        serverVersion(run, entry),
      ])
    : [];
  // Who has a health endpoint says so itself; a server without one is ready when it answers.
  const ready = entry.healthUrl === undefined ? typeof server === 'string' : health?.ready === true;
  return {
    part: entry.name,
    state: alive ? 'up' : 'down',
    ready: alive && ready,
    version: server ?? health?.version ?? null,
    pid: entry.pid,
    restarts: entry.restarts,
    memoryMiB: memoryOf(entry.pid),
    checks: health?.checks ?? {},
  };
}

interface Health {
  readonly ready: boolean;
  readonly version: string | null;
  readonly checks: Readonly<Record<string, boolean>>;
}

async function healthOf(url: string): Promise<Health | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    const body: unknown = await response.json().catch(() => ({}));
    const { version, checks } = (body ?? {}) as { version?: unknown; checks?: unknown };
    return {
      ready: response.ok,
      version: typeof version === 'string' ? version : null,
      checks: Object.fromEntries(
        Object.entries((checks ?? {}) as Record<string, { ok?: unknown }>).map(([name, check]) => [
          name,
          check.ok === true,
        ]),
      ),
    };
  } catch {
    return undefined;
  }
}

/** Resident memory in MiB, where the system tells. */
export function memoryOf(pid: number): number | null {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? null : Math.round(Number(kib) / 1024);
  } catch {
    return null;
  }
}

async function consumersOf(nats: NatsConnection): Promise<ConsumerStatus[]> {
  const head = (await ask(nats, QUERIES.historyHead, {}, 3000)) as { position: string };
  return Promise.all(
    WORKERS.map(async ([consumer, process]) => {
      try {
        const reply = (await ask(
          nats,
          QUERIES.progress(consumer),
          { position: '0', timeoutMs: 0 },
          2000,
        )) as {
          position: string;
        };
        return {
          consumer,
          process,
          position: reply.position,
          lag: await lagOf(nats, reply.position, head.position),
        };
      } catch {
        return { consumer, process, position: null, lag: null };
      }
    }),
  );
}

const LAG_LIMIT = 500;

async function lagOf(nats: NatsConnection, position: string, head: string): Promise<number> {
  if (BigInt(position) >= BigInt(head)) return 0;
  // A worker that has handled nothing yet stands before every event.
  const fromPosition = position.startsWith('-') ? '0' : position;
  const page = (await ask(nats, QUERIES.historyRead, { fromPosition, limit: LAG_LIMIT })) as {
    events: unknown[];
  };
  return page.events.length;
}

/** One table: a line for each process, and below it one for each consumer that is not the process itself. */
export function statusText(state: Status): string {
  const rows = state.parts.flatMap((part) => {
    const consumers = state.consumers.filter(({ process }) => process === part.part);
    const itself = consumers.find(({ consumer }) => consumer === part.part);
    const failing = Object.entries(part.checks).filter(([, ok]) => !ok);
    return [
      [
        part.part,
        part.state === 'down' ? 'DOWN' : part.ready ? 'ready' : 'NOT READY',
        itself === undefined ? '' : lagText(itself),
        part.version ?? '-',
        String(part.restarts),
        String(part.pid),
        part.memoryMiB === null ? '-' : `${part.memoryMiB} MiB`,
        failing.map(([name]) => `${name} fails`).join(', '),
      ],
      ...consumers
        .filter((one) => one !== itself)
        .map((one) => [`  ${one.consumer}`, '', lagText(one), '', '', '', '', '']),
    ];
  });
  const head = ['PART', 'STATE', 'LAG', 'VERSION', 'RESTARTS', 'PID', 'MEMORY', ''];
  return `${state.healthy ? 'oO is well' : 'oO is NOT well'}: ${state.url}\n\n${table(head, rows)}`;
}

function lagText({ lag }: ConsumerStatus): string {
  if (lag === null) return 'no answer';
  return lag === 0 ? 'none' : `${lag}${lag >= LAG_LIMIT ? ' or more' : ''} events`;
}
