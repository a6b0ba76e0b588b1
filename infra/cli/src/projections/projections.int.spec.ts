import { EventStore, type ReadModels, readModels } from '@oo/event-sourcing';
import { ProjectionsModule, projectionsConfig, waitFor } from '@oo/projections';
import { lifeOf, record, someone, uuid } from '@oo/projections/testing';
import { type RunningService, startService } from '@oo/service-host';
import { type Backbone, startBackbone } from '@oo/service-host/testing';
import { Command, CommanderError } from 'commander';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CommandError, EXIT } from '../output.js';
import { readSettings } from '../up/settings.js';
import { addProjectionVerbs } from './commands.js';

let backbone: Backbone;
let store: EventStore;
let sql: ReadModels;
let service: RunningService;

beforeAll(async () => {
  backbone = await startBackbone({ postgres: true, ownBroker: true, ownEventStore: true });
  store = EventStore.connect(backbone.eventStoreUrl);
  sql = readModels(backbone.readModelsUrl, { max: 2 });
  service = await startService(
    { name: 'projections', config: projectionsConfig, modules: [ProjectionsModule] },
    backbone.environment,
  );
});
afterAll(async () => {
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
