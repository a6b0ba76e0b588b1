import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LOCK_FILE, lockDataFolder } from './data-folder-lock.js';

const BUILT = new URL('../../dist/up/data-folder-lock.js', import.meta.url).href;
const STALE = '999999999 12345';
const STARTS = 6;
const ROUNDS = 15;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oo-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A process that tries for the lock when it is told to, prints what it got, and keeps it until it is ended. */
const PROGRAM = `
const { lockDataFolder } = await import(${JSON.stringify(BUILT)});
process.stdin.on('data', () => {
  const got = lockDataFolder(process.argv[1]);
  console.log(typeof got === 'number' ? String(got) : 'mine');
});
process.stdin.on('end', () => process.exit());
console.log('ready');`;

function line(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString('utf8').trim()));
  });
}

it('goes to one of many that start at once over the lock of a killed one, round after round', async () => {
  const children = Array.from({ length: STARTS }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, '--', folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  );
  try {
    await Promise.all(children.map(line));
    for (let round = 0; round < ROUNDS; round++) {
      writeFileSync(join(folder, LOCK_FILE), STALE);
      const answers = Promise.all(children.map(line));
      for (const child of children) child.stdin.write('go\n');
      const got = await answers;
      expect(got.filter((answer) => answer === 'mine')).toHaveLength(1);
      const winner = children[got.indexOf('mine')]?.pid;
      expect(Number(readFileSync(join(folder, LOCK_FILE), 'utf8').split(' ')[0])).toBe(winner);
      expect(got.filter((answer) => answer !== 'mine').every((pid) => pid === String(winner))).toBe(true);
      expect(readdirSync(folder)).toEqual([LOCK_FILE]);
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}, 120_000);

it('is given back, names its holder, and outlives one who was killed while taking over', () => {
  const release = lockDataFolder(folder);
  expect(lockDataFolder(folder)).toBe(process.pid);
  if (typeof release === 'number') throw new Error('not taken');
  release();
  expect(readdirSync(folder)).toEqual([]);

  writeFileSync(join(folder, LOCK_FILE), STALE);
  writeFileSync(join(folder, `${LOCK_FILE}.taking`), STALE);
  expect(lockDataFolder(folder)).toBeTypeOf('function');
  expect(readdirSync(folder)).toEqual([LOCK_FILE]);
});
