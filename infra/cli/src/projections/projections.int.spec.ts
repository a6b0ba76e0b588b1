import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { OutcomeKind, partitionOf, QUERIES, streamOf, type UserId } from '@oo/contracts';
import { ROOT } from '@oo/embedded';
import { EventStore, type GivenEvent, type ReadModels, readModels } from '@oo/event-sourcing';
import { ProjectionsModule, projectionsConfig, waitFor } from '@oo/projections';
import { decisionRecord, lifeOf, record, someone, uuid } from '@oo/projections/testing';
import { RelayModule } from '@oo/relay';
import { hostConfig, type RunningService, startService } from '@oo/service-host';
import { type Backbone, startBackbone } from '@oo/service-host/testing';
import { Command, CommanderError } from 'commander';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CommandError, EXIT } from '../output.js';
import { withBrokerAt } from '../running.js';
import { readSettings } from '../up/settings.js';
import { addProjectionVerbs } from './commands.js';

let backbone: Backbone;
let store: EventStore;
let sql: ReadModels;
let service: RunningService;
let relay: RunningService;
let recommender: ChildProcess;

/** The real one, in a process of its own. */
function startRecommender(): ChildProcess {
  const paths = [ROOT, join(ROOT, 'contracts/python'), join(ROOT, 'contracts/generated/python')];
  const child = spawn(process.env.OO_PYTHON ?? 'python3', ['-m', 'ml.serving'], {
    cwd: ROOT,
    env: {
      ...process.env,
      PYTHONPATH: paths.join(':'),
      OO_NATS_URL: backbone.natsUrl,
      OO_LOG_LEVEL: 'error',
    },
    stdio: 'ignore',
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.removeListener('exit', end));
  return child;
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

beforeAll(async () => {
  backbone = await startBackbone({ postgres: true, ownBroker: true, ownEventStore: true });
  store = EventStore.connect(backbone.eventStoreUrl);
  sql = readModels(backbone.readModelsUrl, { max: 2 });
  service = await startService(
    { name: 'projections', config: projectionsConfig, modules: [ProjectionsModule] },
    backbone.environment,
  );
  relay = await startService(
    { name: 'relay', config: hostConfig, modules: [RelayModule] },
    backbone.environment,
  );
  recommender = startRecommender();
  await recommenderAnswers();
}, 120_000);
afterAll(async () => {
  if (recommender !== undefined) await stopped(recommender);
  await relay?.close();
  await service?.close();
  await sql?.end();
  await store?.close();
  await backbone?.close();
});

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The verbs as `oo` has them, in this process: a program that is started anew for each costs seconds of loading. */
async function oo(...words: string[]): Promise<Ran> {
  const program = new Command('oo').exitOverride().configureOutput({ writeErr: (text) => said.push(text) });
  const said: string[] = [];
  const environment = { ...backbone.environment, OO_LOG_LEVEL: undefined };
  addProjectionVerbs(
    program,
    () => readSettings(environment, '/', '/'),
    async (person) => person,
  );
  for (const command of descendantsOf(program)) {
    command.exitOverride().configureOutput({ writeErr: (text) => said.push(text) });
  }
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
  process.exitCode = 0;
  let code = 0;
  try {
    await program.parseAsync(words, { from: 'user' });
    code = Number(process.exitCode);
  } catch (error) {
    if (error instanceof CommanderError) code = EXIT.usage;
    else if (error instanceof CommandError) {
      code = error.exitCode;
      said.push(error.message);
    } else throw error;
  } finally {
    process.exitCode = 0;
  }
  const printed = stdout.mock.calls.map(([text]) => String(text)).join('');
  stdout.mockRestore();
  stderr.mockRestore();
  return { code, stdout: printed, stderr: said.join('') };
}

const descendantsOf = (command: Command): Command[] =>
  command.commands.flatMap((one) => [one, ...descendantsOf(one)]);

async function json(...words: string[]): Promise<unknown> {
  const { stdout } = await oo(...words, '--json');
  return JSON.parse(stdout);
}

async function atHead(): Promise<void> {
  const position = (await store.head()) ?? -1n;
  for (const name of ['timeline', 'current-tip'] as const) {
    expect(await waitFor(sql, name, { position }, 20_000)).toBe('reached');
  }
}

async function recommenderAnswers(): Promise<void> {
  await vi.waitFor(async () => expect((await oo('parked', 'list', 'recommender')).code).toBe(EXIT.ok), {
    timeout: 60_000,
    interval: 200,
  });
}

/** Waits until the recommender has parked a person, or has nobody of them parked. */
async function recommenderHas(user: UserId, parked: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const all = (await json('parked', 'list', 'recommender')) as { owner: string }[];
      expect(all.filter(({ owner }) => owner === user)).toHaveLength(parked);
    },
    { timeout: 20_000, interval: 100 },
  );
}

/** Events of a person that read models can apply and the recommender cannot: of a policy that it does not have. */
function ofAnotherBuild(user: UserId, name: string): GivenEvent[] {
  const decision = { ...decisionRecord({ id: uuid(`${user} ${name}`) }), policyVersion: 'v99' };
  return [
    { user, type: 'TipWithheld', data: { decision } },
    {
      user,
      type: 'DecisionOutcomeClosed',
      data: {
        decisionId: decision.decisionId,
        outcome: OutcomeKind.OUTCOME_KIND_WAITED,
        horizonStartedAt: decision.decidedAt,
        horizonEndedAt: decision.holdsUntil,
      },
    },
  ];
}

describe('oo projections', () => {
  it('lists, rebuilds, verifies, pauses and resumes', async () => {
    const user = someone();
    await record(store, ...[1, 0, -1].map((valence) => lifeOf(user).mood(valence)));
    await atHead();
    expect(await json('projections', 'list')).toContainEqual(
      expect.objectContaining({
        name: 'timeline',
        version: 1,
        lag: { events: 0, seconds: 0 },
        rebuild: null,
      }),
    );
    await sql`update timeline_v1.timeline set producer = 'spoiled'`;
    expect(await oo('projections', 'verify', 'timeline')).toMatchObject({
      code: EXIT.differs,
      stdout: expect.stringContaining('NOT as the store says'),
    });
    expect(await json('projections', 'rebuild', 'timeline')).toMatchObject({ outcome: 'swapped', read: 3 });
    const right = await oo('projections', 'verify', 'timeline');
    expect(right.code).toBe(EXIT.ok);
    const [, used, afresh] = /in use ([0-9a-f]{64})\n {2}afresh ([0-9a-f]{64})/.exec(right.stdout) ?? [];
    expect(used).toBe(afresh);

    expect(await oo('projections', 'pause', 'timeline')).toMatchObject({ code: EXIT.ok });
    expect(await json('projections', 'status', 'timeline')).toMatchObject({
      pausedSince: expect.any(String),
    });
    expect((await oo('projections', 'list')).stdout).toContain('PAUSED');
    expect(await oo('projections', 'resume', 'timeline')).toMatchObject({ code: EXIT.ok });
    expect(await oo('projections', 'resume', 'timeline')).toMatchObject({ code: EXIT.refused });
    expect(await oo('projections', 'rebuild', 'time-line')).toMatchObject({
      code: EXIT.notFound,
      stderr: expect.stringContaining('There are: current-tip'),
    });
  }, 120_000);
});

describe('oo parked', () => {
  it('lists, shows, retries and skips', async () => {
    const user = someone();
    const id = uuid(`${user} broken`);
    expect(await oo('parked', 'list')).toMatchObject({ code: EXIT.ok, stdout: 'Nothing is parked.\n' });
    await record(store, lifeOf(user).proposed({ id, choice: 'demo:task:1', at: '0000-01-01T00:00:00Z' }));
    await atHead();
    expect(await json('parked', 'list', 'current-tip')).toEqual([
      expect.objectContaining({ projection: 'current-tip', owner: user, type: 'TipProposed', behind: 0 }),
    ]);
    expect(await oo('parked', 'retry', 'current-tip', user)).toMatchObject({
      code: EXIT.differs,
      stdout: expect.stringContaining('STILL parked'),
    });
    await record(store, lifeOf(user).expired(id, false));
    await record(store, lifeOf(user).proposed({ id: uuid(`${user} whole`), choice: 'demo:task:2' }));
    await atHead();
    expect(await oo('parked', 'skip', 'current-tip', user)).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringContaining('--reason'),
    });
    const reason = 'a time that Postgres cannot hold';
    expect(await json('parked', 'skip', 'current-tip', user, '--reason', reason)).toMatchObject({
      skipped: { type: 'TipProposed', revision: '0' },
      parked: null,
    });
    expect(await json('parked', 'show', 'current-tip', user)).toMatchObject({
      parked: null,
      skips: [{ type: 'TipProposed', revision: '0', reason }],
    });
    expect(await oo('parked', 'retry', 'current-tip', user)).toMatchObject({ code: EXIT.notFound });
    expect(await oo('projections', 'verify', 'current-tip')).toMatchObject({ code: EXIT.ok });
  }, 120_000);
});

describe('oo parked, of the recommender', () => {
  it('lists, shows, retries and skips, and the skip holds over a restart', async () => {
    const user = someone();
    await record(store, ...ofAnotherBuild(user, 'first'), lifeOf(user).mood(1));
    await recommenderHas(user, 1);
    const address = `${streamOf('tips', user)}@1`;
    const list = await oo('parked', 'list');
    expect(list.code).toBe(EXIT.ok);
    expect(list.stdout).toMatch(
      new RegExp(`recommender +${user} +${address} +DecisionOutcomeClosed +2026-01-05T08:00:00Z +1 +.*v99`),
    );
    const shown = await oo('parked', 'show', 'recommender', user);
    expect(shown.stdout).toContain(`DecisionOutcomeClosed, ${address}`);
    // The whole error, with where in the code it came up.
    expect(shown.stdout).toMatch(/no policy heuristic v99[\s\S]+in policy_of/);
    expect(shown.stdout).toContain(`oo parked skip recommender ${user} --reason TEXT`);
    expect(await oo('parked', 'retry', 'recommender', user)).toMatchObject({
      code: EXIT.differs,
      stdout: expect.stringContaining('STILL parked'),
    });
    expect(await oo('parked', 'retry', 'recommender', '--all')).toMatchObject({ code: EXIT.differs });
    const reason = 'a policy that was taken back';
    expect(await json('parked', 'skip', 'recommender', user, '--reason', reason)).toMatchObject({
      projection: 'recommender',
      skipped: { type: 'DecisionOutcomeClosed', stream: streamOf('tips', user), revision: '1' },
      parked: null,
    });
    expect(await json('parked', 'show', 'recommender', user)).toMatchObject({
      parked: null,
      skips: [{ type: 'DecisionOutcomeClosed', revision: '1', reason }],
    });
    // Of the read models nothing is left out.
    expect(await oo('parked', 'show', 'timeline', user)).toMatchObject({ code: EXIT.notFound });
    await stopped(recommender);
    recommender = startRecommender();
    await recommenderAnswers();
    await recommenderHas(user, 0);
    // The next one is told where the first is skipped.
    await record(store, ...ofAnotherBuild(user, 'second'), ...ofAnotherBuild(user, 'third'));
    await recommenderHas(user, 1);
    expect(await oo('parked', 'skip', 'recommender', user, '--reason', reason)).toMatchObject({
      code: EXIT.differs,
      stdout: expect.stringContaining(`the next one is parked: DecisionOutcomeClosed`),
    });
    expect(await oo('parked', 'skip', 'recommender', user, '--reason', reason)).toMatchObject({
      code: EXIT.ok,
    });
  }, 120_000);

  it('refuses what is wrong with words that say what to do, and records nothing', async () => {
    const user = someone();
    await record(store, lifeOf(user).mood(1));
    await recommenderHas(user, 0);
    const refusals: [string[], number, string][] = [
      [['skip', 'recommender', user, '--reason', 'not parked'], EXIT.notFound, 'See: oo parked list'],
      [['retry', 'recommender', user], EXIT.notFound, 'See: oo parked list'],
      [['show', 'recommender', user], EXIT.notFound, 'See: oo parked list'],
      [['skip', 'recommender', user], EXIT.usage, '--reason'],
      [['skip', 'recommender', user, '--reason', 'no'], EXIT.usage, '3 to 200'],
      [['skip', 'recommenders', user, '--reason', 'no such'], EXIT.notFound, 'There are: current-tip'],
    ];
    for (const [words, code, said] of refusals) {
      expect(await oo('parked', ...words), words.join(' ')).toMatchObject({
        code,
        stderr: expect.stringContaining(said),
      });
    }
    expect(await store.readLast(streamOf('skips', user), 1)).toEqual([]);
  }, 120_000);

  it('says that the recommender is away, and lists the read models all the same', async () => {
    const user = someone();
    const life = lifeOf(user);
    await record(
      store,
      life.proposed({ id: uuid(`${user} broken`), choice: 'demo:task:1', at: '0000-01-01T00:00:00Z' }),
    );
    await atHead();
    await stopped(recommender);
    const away = await oo('parked', 'list');
    expect(away).toMatchObject({
      code: EXIT.unavailable,
      stdout: expect.stringContaining(user),
      stderr: expect.stringContaining('The recommender tells nothing of anybody (it does not run)'),
    });
    expect(away.stderr).toContain('See: oo status');
    expect(await oo('parked', 'list', 'recommender')).toMatchObject({ code: EXIT.unavailable, stdout: '' });
    expect(await oo('parked', 'list', 'timeline')).toMatchObject({ code: EXIT.ok, stderr: '' });
    for (const words of [
      ['skip', 'recommender', user, '--reason', 'it is away'],
      ['retry', 'recommender', user],
      ['retry', 'recommender', '--all'],
    ]) {
      expect(await oo('parked', ...words), words.join(' ')).toMatchObject({ code: EXIT.unavailable });
    }
    expect(await store.readLast(streamOf('skips', user), 1)).toEqual([]);
    recommender = startRecommender();
    await recommenderAnswers();
  }, 120_000);

  it('waits until the recommender has come to the skip, and takes no answer of another version', async () => {
    const user = someone();
    await record(store, lifeOf(user).mood(1));
    const waiting = {
      userId: user,
      stream: streamOf('signals', user),
      revision: '0',
      position: '1',
      type: 'MoodReported',
      recordedAt: null,
      behind: 0,
      error: 'a test',
    };
    await stopped(recommender);
    // One that is played: it is slow to come to what is recorded, and then of another version.
    let asked = 0;
    await withBrokerAt(backbone.natsUrl, async (nats) => {
      nats.subscribe(QUERIES.parked(partitionOf(user)), {
        callback: (_error, message) => {
          asked++;
          const isCome = asked > 4;
          if (asked === 4) {
            message.respond(JSON.stringify({ problem: { detail: 'The past is still being read.' } }));
            return;
          }
          const reply = { position: isCome ? '999999999' : '1', parked: isCome ? [] : [waiting] };
          message.respond(JSON.stringify(asked > 6 ? reply : { ...reply, total: reply.parked.length }));
        },
      });
      await nats.flush();
      const shown = await oo('parked', 'show', 'recommender', user);
      expect(shown.stdout).toContain('since a time that cannot be read');
      expect(await json('parked', 'skip', 'recommender', user, '--reason', 'a test')).toMatchObject({
        skipped: { type: 'MoodReported' },
        parked: null,
      });
      expect(asked).toBe(6);
      expect(await oo('parked', 'show', 'recommender', user)).toMatchObject({
        code: EXIT.unavailable,
        stderr: expect.stringContaining('its answer is of another version'),
      });
    });
    recommender = startRecommender();
    await recommenderAnswers();
  }, 120_000);
});
