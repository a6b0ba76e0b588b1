import { setTimeout as pause } from 'node:timers/promises';
import { PROJECTION_NAMES } from '@oo/projections';
import { Random, SETTLES, Violation } from '@oo/simulation';
import { Checks } from './checks.js';
import { Client } from './client.js';
import { FAULT_NAMES, FAULTS, type FaultName } from './faults.js';
import { PARTS, Platform } from './platform.js';

export interface Options {
  readonly rounds: number;
  readonly seed: number;
  /** This fault alone. */
  readonly only?: FaultName;
  readonly say: (line: string) => void;
  /** Ends it after the round that is on. */
  readonly signal?: AbortSignal;
}

/** What came of it, as it is written to a file. */
export interface Summary {
  readonly seed: number;
  rounds: number;
  readonly faults: Record<string, number>;
  readonly skipped: { fault: FaultName; reason: string }[];
  signals: number;
  answers: number;
  events: number;
  decisions: number;
  tips: number;
  /** From the end of a fault until all is at rest at the head of the store. */
  readonly settledMs: { median: number; longest: number };
  /** How often a server has ended without having been killed, by its name. It was started again. */
  endedByThemselves: Record<string, number>;
  violation: { round: number; fault: FaultName; message: string } | undefined;
}

/** People who send at the same time; with each round one comes and one goes. */
const AT_A_TIME = 3;
const COMMANDS = 18;
const OUTLIVES = 'no process of oO ends but by a kill';
const SETTLES_WITHIN_MS = 90_000;
/** Every so many rounds the store is read anew, all read models are verified and all decisions made again. */
const THOROUGH = 10;

/** Rounds of load with one fault each; after each all has to settle, and every invariant is checked. */
export async function chaos({ rounds, seed, only, say, signal }: Options): Promise<Summary> {
  const random = new Random(`chaos ${seed}`);
  const platform = await Platform.start(say);
  const summary: Summary = {
    seed,
    rounds: 0,
    faults: {},
    skipped: platform.noDisk === undefined ? [] : [{ fault: 'disk full', reason: platform.noDisk }],
    signals: 0,
    answers: 0,
    events: 0,
    decisions: 0,
    tips: 0,
    settledMs: { median: 0, longest: 0 },
    endedByThemselves: {},
    violation: undefined,
  };
  for (const { fault, reason } of summary.skipped) say(`${fault}: skipped, since ${reason}`);
  const names = FAULT_NAMES.filter(
    (name) => name === (only ?? name) && !summary.skipped.some(({ fault }) => fault === name),
  );
  if (names.length === 0) throw new Error(`${only} cannot be done here`);
  const clients: Client[] = [];
  while (clients.length < AT_A_TIME - 1) clients.push(await newClient(platform, clients.length, random));
  const checks = new Checks(platform, clients);
  const settled: number[] = [];
  try {
    for (const [index, fault] of planOf(rounds, names, random).entries()) {
      if (signal?.aborted === true) break;
      try {
        // A person's decisions are capped by the hour: somebody new has all of them before them.
        clients.push(await newClient(platform, clients.length, random));
        settled.push(await round(platform, clients.slice(-AT_A_TIME), fault, random));
        summary.endedByThemselves = platform.endedByThemselves;
        requireNoEnds(summary.endedByThemselves);
        const isThorough = index % THOROUGH === THOROUGH - 1 || index === rounds - 1;
        await checks.acknowledged(isThorough);
        await checks.rows(isThorough ? PROJECTION_NAMES : [random.pick(PROJECTION_NAMES)]);
        if (isThorough) await checks.decisions();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        summary.violation = { round: index + 1, fault, message };
        say(`round ${index + 1}, ${fault}: ${message}`);
        break;
      } finally {
        summary.rounds++;
        summary.faults[fault] = (summary.faults[fault] ?? 0) + 1;
      }
      say(`round ${index + 1} of ${rounds}, ${fault}: at rest after ${Math.round(settled.at(-1) ?? 0)} ms`);
    }
  } finally {
    count(summary, clients, checks, settled);
    await checks.close();
    const kept = await platform.close(summary.violation !== undefined);
    if (kept !== undefined) say(`What the processes said is in ${kept}.`);
  }
  return summary;
}

/** A process of oO outlives whatever happens to servers; of their own damaged files these may end. */
function requireNoEnds(ends: Readonly<Record<string, number>>): void {
  const parts = PARTS.filter((name) => ends[name] !== undefined);
  if (parts.length > 0) throw new Violation(OUTLIVES, `${parts.join(', ')} ended without having been killed`);
}

/** Each fault once, in an order of chance, before any comes again. */
function planOf(rounds: number, names: readonly FaultName[], random: Random): FaultName[] {
  const plan: FaultName[] = [];
  let left: FaultName[] = [];
  while (plan.length < rounds) {
    if (left.length === 0) left = [...names];
    const next = random.pick(left);
    left = left.filter((name) => name !== next);
    plan.push(next);
  }
  return plan;
}

async function newClient({ oo }: Platform, number: number, random: Random): Promise<Client> {
  const { userId, token } = await oo.json<{ userId: string; token: string }>('person', `chaos-${number}`);
  return new Client(oo, userId, token, random.fork(`client ${number}`));
}

/** @returns how long it took to settle, milliseconds */
async function round(
  platform: Platform,
  clients: readonly Client[],
  fault: FaultName,
  random: Random,
): Promise<number> {
  const load = Promise.all(clients.map((client) => client.load(COMMANDS)));
  const strike = pause(random.between(100, 900)).then(() => FAULTS[fault](platform, random));
  await Promise.all([load, strike]);
  const since = performance.now();
  try {
    await platform.oo.quiet(SETTLES_WITHIN_MS);
  } catch (error) {
    throw new Violation(SETTLES, error instanceof Error ? error.message : String(error));
  }
  return performance.now() - since;
}

function count(
  summary: Summary,
  clients: readonly Client[],
  checks: Checks,
  settled: readonly number[],
): void {
  summary.signals = clients.reduce((sum, { signals }) => sum + signals.length, 0);
  summary.answers = clients.reduce((sum, { answers }) => sum + answers.length, 0);
  summary.events = checks.events;
  summary.decisions = checks.count('TipProposed', 'TipWithheld', 'DecisionVoided');
  summary.tips = checks.count('TipProposed');
  const sorted = [...settled].sort((one, other) => one - other).map(Math.round);
  summary.settledMs.median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  summary.settledMs.longest = sorted.at(-1) ?? 0;
}
