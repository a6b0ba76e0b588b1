import {
  BuiltElsewhere,
  pause,
  type RebuildProgress,
  type Rebuilt,
  rebuild,
  resume,
  type Verification,
  verify,
} from '@oo/event-sourcing';
import {
  isProjectionName,
  PROJECTION_NAMES,
  PROJECTIONS,
  type ProjectionName,
  type ProjectionStanding,
  standingOf,
} from '@oo/projections';
import { CommandError, EXIT, table } from '../output.js';
import { type Servers, withTables } from './servers.js';

/** @throws CommandError where there is no such read model */
export function projectionName(text: string): ProjectionName {
  if (isProjectionName(text)) return text;
  throw new CommandError(
    EXIT.notFound,
    `There is no read model "${text}". There are: ${PROJECTION_NAMES.join(', ')}.`,
  );
}

export function standings(
  servers: Servers,
  names: readonly ProjectionName[] = PROJECTION_NAMES,
): Promise<ProjectionStanding[]> {
  return withTables(servers, (sql, store) =>
    Promise.all(names.map((name) => standingOf(sql, store, name, Date.now()))),
  );
}

const lagText = ({ events, seconds }: ProjectionStanding['lag']): string =>
  events === 0 ? 'none' : `${events}${events >= 1000 ? ' or more' : ''} events, ${seconds.toFixed(1)} s`;

const stateText = (one: ProjectionStanding): string =>
  [
    one.pausedSince === null ? (one.position < 0n ? 'being made' : 'in use') : 'PAUSED',
    ...(one.parked > 0 ? [`${one.parked} parked`] : []),
    ...(one.rebuild === null ? [] : [one.rebuild.running ? 'rebuild under way' : 'rebuild interrupted']),
  ].join(', ');

export function listText(all: readonly ProjectionStanding[]): string {
  return table(
    ['READ MODEL', 'VERSION', 'LAG', 'STATE'],
    all.map((one) => [one.name, String(one.version), lagText(one.lag), stateText(one)]),
  );
}

export function standingText(one: ProjectionStanding): string {
  const lines: [string, string][] = [
    ['state', stateText(one)],
    ['schema', one.schema],
    ['position', String(one.position)],
    ['lag', lagText(one.lag)],
    ['workers', `${one.workers} set${one.workers === 1 ? '' : 's'} of partitions`],
    ['size', `about ${Math.round(one.rows)} rows, ${(Number(one.bytes) / 2 ** 20).toFixed(1)} MiB`],
  ];
  if (one.pausedSince !== null) lines.push(['paused', `since ${one.pausedSince}`]);
  if (one.rebuild !== null) {
    lines.push([
      'rebuild',
      `${one.rebuild.running ? 'under way' : `interrupted; go on with: oo projections rebuild ${one.name}`}, at position ${one.rebuild.position}`,
    ]);
  }
  if (one.otherVersions.length > 0) lines.push(['other versions', one.otherVersions.join(', ')]);
  return `${one.name}, version ${one.version}\n${lines.map(([what, text]) => `  ${what.padEnd(14)} ${text}`).join('\n')}`;
}

export async function rebuildOne(
  servers: Servers,
  name: ProjectionName,
  options: {
    readonly signal: AbortSignal;
    readonly fromStart: boolean;
    readonly progress: (progress: RebuildProgress) => void;
  },
): Promise<Rebuilt & { readonly name: ProjectionName }> {
  try {
    return await withTables(servers, async (sql, store) => ({
      name,
      ...(await rebuild(sql, PROJECTIONS[name], store, options)),
    }));
  } catch (error) {
    if (error instanceof BuiltElsewhere) throw new CommandError(EXIT.refused, error.message);
    throw error;
  }
}

export function progressText(name: string, progress: RebuildProgress): string {
  const { share, eventsPerSecond, remainingMs } = progress;
  const left = remainingMs === undefined ? '' : `, about ${durationText(remainingMs)} left`;
  return `${name}: ${(share * 100).toFixed(1)} %, ${Math.round(eventsPerSecond)} events/s${left}`;
}

export function rebuiltText({
  name,
  outcome,
  read,
  position,
  elapsedMs,
  resumedAt,
}: Awaited<ReturnType<typeof rebuildOne>>): string {
  const pace = elapsedMs > 0 ? Math.round((read / elapsedMs) * 1000) : 0;
  const work = `${read} events in ${durationText(elapsedMs)} (${pace}/s)${resumedAt < 0n ? '' : `, from position ${resumedAt} on`}`;
  return outcome === 'swapped'
    ? `${name}: rebuilt out of ${work}, and swapped in at position ${position}`
    : `${name}: interrupted after ${work}; go on with: oo projections rebuild ${name}`;
}

function durationText(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

export interface Verified extends Verification {
  readonly name: ProjectionName;
  readonly same: boolean;
}

export async function verifyAll(servers: Servers, names: readonly ProjectionName[]): Promise<Verified[]> {
  try {
    return await withTables(servers, async (sql, store) => {
      const all: Verified[] = [];
      for (const name of names) {
        const found = await verify(sql, PROJECTIONS[name], store);
        all.push({ name, same: found.digest === found.expected, ...found });
      }
      return all;
    });
  } catch (error) {
    if (error instanceof BuiltElsewhere) throw new CommandError(EXIT.refused, error.message);
    throw error;
  }
}

export function verifiedText({
  name,
  same,
  rows,
  position,
  digest,
  expected,
  differences,
}: Verified): string {
  return [
    `${name}: ${rows} rows at position ${position}, ${same ? 'as the store says' : 'NOT as the store says'}`,
    `  in use ${digest}`,
    `  afresh ${expected}`,
    ...differences.map(
      (one) => `  ${one.table}: is ${JSON.stringify(one.actual)}, should be ${JSON.stringify(one.expected)}`,
    ),
  ].join('\n');
}

export interface Switched {
  readonly name: ProjectionName;
  readonly paused: boolean;
}

export async function pauseOne(servers: Servers, name: ProjectionName): Promise<Switched> {
  await withTables(servers, (sql) => pause(sql, name, PROJECTIONS[name].schema));
  return { name, paused: true };
}

/** @throws CommandError where it was not paused */
export async function resumeOne(servers: Servers, name: ProjectionName): Promise<Switched> {
  if (await withTables(servers, (sql) => resume(sql, name))) return { name, paused: false };
  throw new CommandError(EXIT.refused, `${name} is not paused.`);
}
