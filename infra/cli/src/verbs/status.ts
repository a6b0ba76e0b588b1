import { readFileSync } from 'node:fs';
import { type RunFile, startTimeOf } from '@oo/embedded';
import { LAG_LIMIT } from '@oo/event-sourcing';
import { table } from '../output.js';
import { NO_FIGURES, PrometheusFigures } from './prometheus-figures.js';
import { serverVersion } from './server-versions.js';

/** Consumers whose figures are wanted, and the process that they run in. */
const CONSUMERS: readonly (readonly [consumer: string, process: string])[] = [
  ['relay', 'relay'],
  ['proposals', 'handlers'],
  ['completions', 'handlers'],
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
  /** Events that it has not handled yet, up to 1000; null where its process gives no figures. */
  readonly lag: number | null;
  /** Age of the oldest of them. */
  readonly lagSeconds: number | null;
  readonly position: string | null;
  /** People who wait behind an event that could not be applied. */
  readonly parked: number;
  readonly paused: boolean;
}

/** What all processes have counted since they started. */
export interface Totals {
  readonly commands: number;
  /** Appends refused since others had written first. */
  readonly conflicts: number;
  /** Attempts behind the first of a command. */
  readonly retries: number;
  /** Commands and events that came again and were dropped. */
  readonly dedupes: number;
  /** Events that the broker had left out and the store gave. */
  readonly refills: number;
  /** People who wait behind a parked event, over all read models. */
  readonly parked: number;
}

export interface Status {
  readonly url: string;
  readonly healthy: boolean;
  readonly parts: readonly PartStatus[];
  readonly consumers: readonly ConsumerStatus[];
  readonly totals: Totals;
}

export async function status(run: RunFile): Promise<Status> {
  const read = await Promise.all(
    run.processes.map(async (entry) => ({
      name: entry.name,
      part: await partStatus(run, entry),
      figures: await figuresOf(entry.healthUrl),
    })),
  );
  const parts = read.map(({ part }) => part);
  const all = read.map(({ figures }) => figures);
  const consumers = CONSUMERS.map(([consumer, process]) =>
    consumerStatus(consumer, process, read.find(({ name }) => name === process)?.figures ?? NO_FIGURES, all),
  );
  const totals = totalsOf(all);
  const healthy = parts.every((part) => part.ready) && consumers.every((consumer) => consumer.lag !== null);
  return { url: run.url, healthy, parts, consumers, totals };
}

function consumerStatus(
  consumer: string,
  process: string,
  figures: PrometheusFigures,
  all: readonly PrometheusFigures[],
): ConsumerStatus {
  const about = (name: string) => figures.value(name, { consumer }) ?? null;
  // Deadlines are kept by the handlers, out of a read model that another process writes, and an operator pauses.
  const anywhere = (name: string) => Math.max(0, ...all.map((each) => each.value(name, { consumer }) ?? 0));
  const position = about('oo_consumer_position');
  return {
    consumer,
    process,
    lag: about('oo_consumer_lag_events'),
    lagSeconds: about('oo_consumer_lag_seconds'),
    position: position === null ? null : String(position),
    parked: anywhere('oo_consumer_parked_people'),
    paused: anywhere('oo_consumer_paused') === 1,
  };
}

function totalsOf(all: readonly PrometheusFigures[]): Totals {
  const sum = (name: string) => all.reduce((total, figures) => total + figures.sum(name), 0);
  return {
    commands: sum('oo_commands_total'),
    conflicts: sum('oo_command_conflicts_total'),
    retries: sum('oo_command_retries_total'),
    dedupes: sum('oo_command_duplicates_total') + sum('oo_consumer_duplicates_total'),
    refills: sum('oo_consumer_refills_total'),
    parked: sum('oo_consumer_parked_people'),
  };
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

/** What a part counts, from `/metrics` beside its health; none where it gives none. */
async function figuresOf(healthUrl: string | undefined): Promise<PrometheusFigures> {
  if (healthUrl === undefined) return NO_FIGURES;
  try {
    const response = await fetch(new URL('/metrics', healthUrl), { signal: AbortSignal.timeout(5000) });
    return response.ok ? new PrometheusFigures(await response.text()) : NO_FIGURES;
  } catch {
    return NO_FIGURES;
  }
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

/** One table: a line for each process, and below it one for each consumer that is not the process itself. */
export function statusText(state: Status): string {
  const rows = state.parts.flatMap((part) => {
    const consumers = state.consumers.filter(({ process }) => process === part.part);
    const itself = consumers.find(({ consumer }) => consumer === part.part);
    const failing = Object.entries(part.checks).flatMap(([name, ok]) => (ok ? [] : [`${name} fails`]));
    return [
      [
        part.part,
        part.state === 'down' ? 'DOWN' : part.ready ? 'ready' : 'NOT READY',
        itself === undefined ? '' : lagText(itself),
        part.version ?? '-',
        String(part.restarts),
        String(part.pid),
        part.memoryMiB === null ? '-' : `${part.memoryMiB} MiB`,
        [...failing, ...(itself === undefined ? [] : notesOf(itself))].join(', '),
      ],
      ...consumers
        .filter((one) => one !== itself)
        .map((one) => [`  ${one.consumer}`, '', lagText(one), '', '', '', '', notesOf(one).join(', ')]),
    ];
  });
  const head = ['PART', 'STATE', 'LAG', 'VERSION', 'RESTARTS', 'PID', 'MEMORY', ''];
  const { commands, conflicts, retries, dedupes, refills } = state.totals;
  const counts = `since the start: ${commands} commands, ${conflicts} conflicts, ${retries} retries, ${dedupes} dropped as duplicates, ${refills} refilled from the store`;
  const people = state.totals.parked;
  const waiting =
    people === 0 ? '' : `\n${people} parked; what they wait at, and what to do: npx oo parked list`;
  const paused = state.consumers.flatMap((one) => (one.paused ? [one.consumer] : []));
  const wellness = state.healthy ? 'oO is well' : 'oO is NOT well';
  const halted = paused.length === 0 ? '' : `, with ${paused.join(', ')} PAUSED`;
  return `${wellness}${halted}: ${state.url}\n\n${table(head, rows)}\n\n${counts}${waiting}`;
}

const notesOf = ({ paused, parked }: ConsumerStatus): string[] => [
  ...(paused ? ['PAUSED'] : []),
  ...(parked > 0 ? [`${parked} parked`] : []),
];

function lagText({ lag, lagSeconds }: ConsumerStatus): string {
  if (lag === null) return 'no answer';
  if (lag === 0) return 'none';
  return `${lag}${lag >= LAG_LIMIT ? ' or more' : ''} events, ${(lagSeconds ?? 0).toFixed(1)} s`;
}
