import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { natsProcess } from './nats.js';

let dataDir: string;
beforeEach(() => {
  // Nothing is started: any file will do.
  vi.stubEnv('OO_NATS_SERVER', process.execPath);
  dataDir = mkdtempSync(join(tmpdir(), 'oo-nats-mend-'));
  mkdirSync(join(dataDir, 'jetstream'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dataDir, { recursive: true });
});

it.each([
  { what: 'breaks three times in a row', ends: ['exit 2', 'exit 2', 'exit 2'], isDeleted: true },
  {
    what: 'breaks between kills',
    ends: ['exit 2', 'SIGKILL', 'exit 2', 'SIGKILL', 'exit 2'],
    isDeleted: true,
  },
  { what: 'breaks twice', ends: ['exit 2', 'exit 2', 'SIGKILL', 'SIGKILL'], isDeleted: false },
  { what: 'is killed, and breaks once', ends: ['SIGKILL', 'SIGKILL', 'SIGKILL', 'exit 2'], isDeleted: false },
  { what: 'cannot be started', ends: ['exit 127', 'exit 127', 'exit 127', 'exit 127'], isDeleted: false },
  { what: 'takes no configuration', ends: ['exit 1', 'exit 1', 'exit 1', 'exit 1'], isDeleted: false },
])('what it kept is deleted where it is that it ends of: $what, $isDeleted', ({ ends, isDeleted }) => {
  const { mend } = natsProcess({ dataDir, port: 1, token: 'test' });
  const said = ends.map((how, index) => mend?.(how, index + 1));
  expect(said.some((word) => word !== undefined)).toBe(isDeleted);
  expect(existsSync(join(dataDir, 'jetstream'))).toBe(!isDeleted);
});

it('counts anew after a steady run', () => {
  const { mend } = natsProcess({ dataDir, port: 1, token: 'test' });
  for (let day = 0; day < 5; day++) for (const inARow of [1, 2]) mend?.('exit 2', inARow);
  expect(existsSync(join(dataDir, 'jetstream'))).toBe(true);
});
