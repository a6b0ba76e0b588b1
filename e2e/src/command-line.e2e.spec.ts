import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, execute } from '@oo/cli/testing';
import { bundled, ROOT, startTimeOf, writeRunFile } from '@oo/embedded';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oo-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const oo = (args: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> =>
  execute(process.execPath, [bundled('oo'), ...args], {
    ...(process.env as Record<string, string>),
    OO_DATA_DIR: folder,
    ...env,
  });

/** A data folder in which oO seems to run: this process stands for it. */
function pretendToRun(): void {
  writeRunFile(folder, {
    supervisor: { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' },
    url: 'http://localhost:1',
    environment: { OO_NATS_URL: 'nats://token@127.0.0.1:1', OO_TENANT: 'home' },
    processes: [],
    ready: true,
  });
}

// Each starts a process or two or three, which takes seconds on a machine with much to do.
const TIMEOUT = { timeout: 300_000 };

describe('exit codes and errors of oo', TIMEOUT, () => {
  it.each<[string, string[], number, RegExp, Record<string, string>?]>([
    ['no verb', ['nonsense'], 2, /unknown command 'nonsense'/],
    ['a word that is missing', ['timeline'], 2, /missing required argument 'user'/],
    ['an option that is none', ['status', '--nonsense'], 2, /unknown option '--nonsense'/],
    ['a time that is only a number', ['signal', 'MoodReported', '--at', '5'], 2, /Give an RFC 3339 time/],
    ['30 February', ['replay', 'demo', '--until', '2026-02-30T00:00:00Z'], 2, /Give an RFC 3339 time/],
    ['a setting', ['up'], 2, /OO_PORT: given "abc"; allowed: a port from 1 to 65535/, { OO_PORT: 'abc' }],
    ['nobody named', ['replay'], 2, /Name a person, or give --all\./],
    ['an oO that does not run', ['status'], 3, /oO does not run with the data in .*npm start/],
  ])('%s', async (_, args, exitCode, message, env = {}) => {
    if (args[0] === 'replay') pretendToRun();
    const [inText, inJson] = await Promise.all([oo(args, env), oo([...args, '--json'], env)]);
    expect(inText).toMatchObject({ code: exitCode, stdout: '' });
    expect(inText.stderr).toMatch(message);
    expect(inJson).toMatchObject({ code: exitCode, stdout: '' });
    expect(inJson.stderr).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(inJson.stderr)).toEqual({
      error: { exitCode, message: expect.stringMatching(message) },
    });
  });

  it('are all in the help', async () => {
    const { code, stdout } = await oo(['--help']);
    expect(code).toBe(0);
    for (const exitCode of [0, 1, 2, 3, 4, 5, 70]) expect(stdout).toMatch(new RegExp(`[:;] ${exitCode} \\w`));
  });
});

describe('a life of which one recorded probability was altered', TIMEOUT, () => {
  /** A Python that is the real one, but reads the history from a file. */
  function pythonThatReads(events: string): string {
    const path = join(folder, 'python');
    const real = process.env.OO_PYTHON ?? 'python3';
    writeFileSync(path, `#!/bin/sh\nexec '${real}' "$@" --events '${events}'\n`, { mode: 0o755 });
    return path;
  }

  const LIFE = `
import json, sys
from ml.testing.life import Life
life = Life(41)
life.live(1)
if sys.argv[2] == 'altered':
    record = next(each['data']['decision'] for each in life.envelopes if each['type'] == 'TipProposed')
    record['candidates'][0]['probability'] = 0.5
open(sys.argv[1], 'w').write(''.join(json.dumps(each) + '\\n' for each in life.envelopes))
`;

  it.each([
    ['as it was', 0, /^All \d+ decisions came out bit-identical\.$/m],
    [
      'altered',
      1,
      /candidates\.0\.probability: recorded 0\.5, now 0\.\d+\n(?:.*\n)*NOT all of \d+ decisions came out the same\.$/m,
    ],
  ])('%s: exit code %i', async (how, exitCode, said) => {
    pretendToRun();
    const events = join(folder, 'events.jsonl');
    execFileSync(process.env.OO_PYTHON ?? 'python3', ['-c', LIFE, events, how], { cwd: ROOT });
    const env = { OO_PYTHON: pythonThatReads(events) };
    const { code, stdout } = await oo(['replay', '--all'], env);
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: expect.stringMatching(said) });
  });
});

describe('oo reset', TIMEOUT, () => {
  it('leaves a folder alone that has no mark of oO', async () => {
    for (const name of ['logs', 'demo']) mkdirSync(join(folder, name));
    const { code, stderr } = await oo(['reset', '--yes']);
    expect(code).toBe(5);
    expect(stderr).toMatch(/Nothing was deleted: .* none of secrets\.json, run\.json, up\.lock.*OO_DATA_DIR/);
    expect(readdirSync(folder)).toEqual(['demo', 'logs']);
  });

  it('deletes what is oO’s where there is a mark, and nothing else', async () => {
    for (const name of ['logs', 'demo', 'photos']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'secrets.json'), '{}');
    const { code, stdout } = await oo(['reset', '--yes', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ deleted: ['demo', 'logs', 'secrets.json'] });
    expect(readdirSync(folder)).toEqual(['photos']);
    expect(existsSync(join(folder, 'up.lock'))).toBe(false);
    expect((await oo(['reset', '--yes'])).stdout).toBe('There was nothing to delete.\n');
  });
});
