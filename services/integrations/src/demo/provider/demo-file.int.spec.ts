import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DemoFile, type DemoState } from './demo-file.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'oo-demo-file-'));
});
afterEach(() => rm(folder, { recursive: true }));

const state = (seed: string): DemoState => ({
  version: 1,
  user: 'home_0',
  seed,
  utcOffsetMinutes: 0,
  phase: 'live',
  startsAt: '2026-01-01T00:00:00Z',
  playedUntil: '2026-01-02T00:00:00Z',
  ledger: { tasks: [], habits: [], appointments: [] },
});

it('gives what was written last, in a folder that it makes', async () => {
  const file = new DemoFile(join(folder, 'new'));
  expect(await file.read()).toBeUndefined();
  await Promise.all(['a', 'b', 'c'].map((seed) => file.write(state(seed))));
  expect(await new DemoFile(join(folder, 'new')).read()).toEqual(state('c'));
  expect(await readdir(join(folder, 'new'))).toEqual(['demo-life.json']);
});

it('reads the old state while a write was cut off', async () => {
  const file = new DemoFile(folder);
  await file.write(state('whole'));
  await writeFile(join(folder, 'demo-life.json.new'), '{"version":1,"us');
  expect(await file.read()).toEqual(state('whole'));
  await file.write(state('next'));
  expect(await file.read()).toEqual(state('next'));
});

it('names the file when it holds something else', async () => {
  await writeFile(join(folder, 'demo-life.json'), '{"version":2}');
  await expect(new DemoFile(folder).read()).rejects.toThrow(/demo-life\.json .*delete it/);
});
