import { createServer, type Server } from 'node:net';
import { execute, RunningOo } from '@oo/cli/testing';
import { bundled, freePort, isTaken, startTimeOf } from '@oo/embedded';
import { expect, it } from 'vitest';

function holdPort(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen({ port, host: '127.0.0.1' }, () => resolve(server));
  });
}

it('names a taken port and chooses another, stops every child on Ctrl-C, starts again after kill -9, and resets', async () => {
  const port = await freePort();
  const holder = await holdPort(port);
  const env = { OO_DEMO: 'off', OO_PORT: String(port) };
  const oo = await RunningOo.start(env);
  try {
    expect(oo.lines).toContain(`port ${port} is taken`);
    expect(oo.url).not.toContain(`:${port}`);
    const twice = await oo.oo('up');
    expect(twice.stdout).toContain(`oO runs already at ${oo.url}`);
    expect((await oo.oo('reset', '--yes')).code).toBe(5);
    expect((await oo.oo('status')).stdout).toContain('oO is well');

    const children = oo.run.processes;
    const own = Number(new URL(oo.url).port);
    await oo.stop('SIGINT');
    holder.close();
    for (const { name, pid, startTime } of children)
      expect([name, startTimeOf(pid) === startTime]).toEqual([name, false]);
    expect(await isTaken(own)).toBe(false);
    expect((await oo.oo('status')).code).toBe(3);

    await oo.start();
    const orphans = oo.run.processes;
    await oo.stop('SIGKILL');
    await oo.start();
    for (const { name, pid, startTime } of orphans)
      expect([name, startTimeOf(pid) === startTime]).toEqual([name, false]);
    expect((await oo.oo('status')).stdout).toContain('oO is well');
    await oo.stop();

    const unasked = await oo.oo('reset');
    expect(unasked.code).toBe(2);
    expect(unasked.stderr).toContain('Nothing was deleted');
    const reset = await oo.json<{ deleted: string[] }>('reset', '--yes');
    expect(reset.deleted).toContain('eventstore');
    expect((await oo.json<{ deleted: string[] }>('reset', '--yes')).deleted).toEqual([]);
  } finally {
    holder.close();
    await oo.dispose();
  }
}, 300_000);

it('plays a history to its end that was stopped in the middle, as it would have been', async () => {
  const oo = await RunningOo.start({ OO_DEMO_WEEKS: '1', OO_DEMO_PACE: '0' }, undefined, /life: [1-9]\d%/);
  try {
    await oo.stop('SIGINT');
    await oo.start(/life: [1-9]\d%/);
    await oo.stop('SIGKILL');
    await oo.start();
    const { items } = await oo.json<{ items: { type: string; occurredAt: string; recordedAt: string }[] }>(
      'timeline',
      'demo',
      '--limit',
      '500',
    );
    const decided = items.filter(({ type }) => type === 'TipProposed' || type === 'TipWithheld');
    const perDay = Map.groupBy(decided, ({ occurredAt }) => occurredAt.slice(0, 10));
    // A day that was told late has signals and no decision.
    const quietDays = new Set(items.map(({ occurredAt }) => occurredAt.slice(0, 10)));
    for (const day of perDay.keys()) quietDays.delete(day);
    expect([...quietDays].slice(1, -1)).toEqual([]);
    expect(await oo.json('replay', 'demo')).toMatchObject({ identical: true });
  } finally {
    await oo.dispose();
  }
}, 300_000);

it.each([
  [{ OO_PORT: 'http' }, /OO_PORT: given "http"; allowed: a port from 1 to 65535/],
  [
    { OO_DATA_DIR: '/proc/nowhere/oo' },
    /OO_DATA_DIR: \/proc\/nowhere\/oo is no folder that can be written to/,
  ],
  [{ OO_DEMO: 'maybe' }, /OO_DEMO: given "maybe"; allowed: on, off/],
  [
    { OO_EVENTSTORE_URL: 'http://user:secret@host' },
    /OO_EVENTSTORE_URL: given a value of \d+ characters; allowed: .*esdb:/,
  ],
])('stops at a setting that cannot be used: %o', async (env, message) => {
  const { code, stderr } = await execute(process.execPath, [bundled('oo'), 'up'], {
    ...(process.env as Record<string, string>),
    ...env,
  });
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain('secret@');
});
