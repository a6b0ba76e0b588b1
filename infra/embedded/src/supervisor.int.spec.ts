import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ConfigurationRefused, type ProcessSpec, Supervisor } from './supervisor.js';

let folder: string;
let supervisor: Supervisor;
let told: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oo-supervisor-'));
  told = [];
  supervisor = new Supervisor(join(folder, 'logs'), {
    onCrash: (name, how) => told.push(`${name} ended (${how})`),
    onWait: (name, why) => told.push(`${name} waits: ${why}`),
    onBack: (name) => told.push(`${name} is back`),
    onRefusal: (message) => told.push(message),
    onChange: () => undefined,
  });
});

afterEach(async () => {
  await supervisor.stop();
  rmSync(folder, { recursive: true });
});

/** A process that notes its pid, runs `program`, and is ready once the pid is its own. */
function spec(program: string): ProcessSpec {
  const note = join(folder, 'pid');
  const noted = () => {
    try {
      return Number(readFileSync(note, 'utf8'));
    } catch {
      return undefined;
    }
  };
  return {
    name: 'part',
    command: process.execPath,
    args: ['-e', `${program}; require('fs').writeFileSync(${JSON.stringify(note)}, String(process.pid));`],
    ready: async () => noted() === supervisor.processes[0]?.pid,
  };
}

it('takes a refused configuration as final, and says what is wrong with it', async () => {
  const refuse = `
    console.error('{"level":30,"msg":"starting"}');
    console.error(JSON.stringify({ level: 60, problems: ['OO_RATE_LIMIT: given "1"; allowed: 10 or more'] }));
    process.exit(78)`;
  const refusal = await supervisor.start(spec(refuse)).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(ConfigurationRefused);
  expect(String(refusal)).toContain('part does not take its configuration:');
  expect(String(refusal)).toContain('\n  OO_RATE_LIMIT: given "1"; allowed: 10 or more');
  expect(told).toEqual([]);
  expect(supervisor.processes).toMatchObject([{ restarts: 0 }]);
});

it('names the log where a refused configuration leaves no word', async () => {
  await expect(supervisor.start(spec('process.exit(78)'))).rejects.toThrow(/configuration: see .*part\.log/);
});

it.each([
  [
    `console.error('no such luck'); process.exit(1)`,
    /part ends again and again, with: no such luck; see .*part\.log/,
  ],
  [
    `console.error(JSON.stringify({ err: { message: 'port is taken' } })); console.error('bye'); process.exit(1)`,
    /part ends again and again, with: port is taken; see/,
  ],
  ['process.exit(1)', /part ends again and again; see/],
])(
  'gives up a process that never gets ready, and says its last words',
  async (program, message) => {
    await expect(supervisor.start(spec(program))).rejects.toThrow(message);
  },
  20_000,
);

it('says what a process waits for that takes long to be ready, and in the end why it was given up', async () => {
  const reasons = ['the store is away', 'the store is away', 'the store is another'];
  const waiting: ProcessSpec = {
    ...spec('setInterval(() => undefined, 1000)'),
    ready: async () => false,
    waitsFor: async () => reasons.shift(),
  };
  await expect(supervisor.start(waiting, 12_000)).rejects.toThrow(
    /part did not become ready: the store is away; see .*part\.log/,
  );
  expect(told).toEqual(['part waits: the store is away']);
}, 30_000);

it('tells that a process is back once it is ready again, and counts how often it was started', async () => {
  await supervisor.start(spec('setInterval(() => undefined, 1000)'));
  for (const times of [1, 2]) {
    process.kill(supervisor.processes[0]?.pid ?? 0, 'SIGKILL');
    await vi.waitFor(
      () => expect(told.filter((line) => line === 'part is back')).toHaveLength(times),
      20_000,
    );
  }
  const one = ['part ended (SIGKILL)', 'part is back'];
  expect(told).toEqual([...one, ...one]);
  expect(supervisor.processes).toMatchObject([{ restarts: 2 }]);
});

it('tells of a configuration that is refused at a later start, and lets it be', async () => {
  const flag = join(folder, 'refuse');
  await supervisor.start(
    spec(
      `require('fs').existsSync(${JSON.stringify(flag)}) && process.exit(78); setInterval(() => undefined, 1000)`,
    ),
  );
  writeFileSync(flag, '');
  process.kill(supervisor.processes[0]?.pid ?? 0, 'SIGKILL');
  await vi.waitFor(() => expect(told).toHaveLength(2), 20_000);
  expect(told[1]).toMatch(/part does not take its configuration/);
  expect(supervisor.processes).toMatchObject([{ restarts: 1 }]);
});
