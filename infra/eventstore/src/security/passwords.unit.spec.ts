import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { expect, it } from 'vitest';
import { hashPassword, verifyPassword } from './passwords.js';

it('tells the right password from a wrong one', async () => {
  const stored = await hashPassword('secret');
  expect(await verifyPassword('secret', stored)).toBe(true);
  expect(await verifyPassword('Secret', stored)).toBe(false);
  expect((await hashPassword('secret')).hash).not.toBe(stored.hash);
});

it('whoever guesses passwords does not keep the log from being synced', async () => {
  const stored = await hashPassword('secret');
  let guessed = 0;
  const guesses = Array.from({ length: 12 }, async (_, n) => {
    expect(await verifyPassword(`guess ${n}`, stored)).toBe(false);
    guessed++;
  });
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'eventstore-passwords-')), 'file');
  const handle = fs.openSync(file, 'w');
  await new Promise<void>((resolve, reject) =>
    fs.fdatasync(handle, (error) => (error ? reject(error) : resolve())),
  );
  const before = guessed;
  await Promise.all(guesses);
  fs.closeSync(handle);
  fs.rmSync(path.dirname(file), { recursive: true });
  // It waits for no guess; behind all twelve it would be among the last.
  expect(before).toBeLessThan(6);
});
