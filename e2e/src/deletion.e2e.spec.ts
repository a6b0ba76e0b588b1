import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, Producer, RunningOo } from '@oo/cli/testing';
import { CLOCK_SUBJECT, decisionIdOf, type UserId } from '@oo/contracts';
import { expect, it } from 'vitest';

interface Seen {
  readonly tip: unknown;
  readonly timeline: unknown;
  readonly next: unknown;
}

/** What a person and a developer see after a start, and the decision on one more signal at a given time. */
async function look(oo: RunningOo, now: string): Promise<Seen> {
  await oo.quiet();
  const { token } = await oo.json<{ token: string }>('token', 'demo');
  const producer = new Producer(oo, token);
  const tip = await producer.tip();
  const timeline = await oo.json('timeline', 'demo', '--limit', '500');
  const nats = await oo.nats();
  nats.publish(CLOCK_SUBJECT, JSON.stringify({ now }));
  await nats.flush();
  const { eventId } = await producer.signal(
    'MoodReported',
    { valence: 2, energy: -1 },
    'after-the-start',
    now,
  );
  await oo.quiet();
  const { userId } = timeline as { userId: UserId };
  const decision = decisionIdOf(userId, 'TRIGGER_KIND_SIGNAL', eventId);
  const { record } = await oo.json<{ record: unknown }>('why', decision);
  return { tip, timeline, next: record };
}

/** What the recommender has said so far, in all of its runs in this folder. */
const saidIn = (dataDir: string) => readFileSync(join(dataDir, 'logs', 'recommender.log'), 'utf8');

it('shows the same tip, timeline and next decision after kill -9 and the loss of all that is a cache: broker, read models and the recommender’s snapshot', async () => {
  const env = { OO_DEMO_WEEKS: '1', OO_DEMO_PACE: '0' };
  const original = await RunningOo.start(env);
  const twinFolder = mkdtempSync(join(tmpdir(), 'oo-twin-'));
  let twin: RunningOo | undefined;
  try {
    // An active tip makes the comparison say more than two empty pages would.
    const { token } = await original.json<{ token: string }>('token', 'demo');
    const producer = new Producer(original, token);
    await producer.signal('ContextObserved', { kind: 'CONTEXT_KIND_PAGE_OPENED', device: 'DEVICE_PHONE' });
    await eventually('a tip', async () => (await producer.tip()) ?? undefined, 60_000);
    await original.quiet();
    const snapshot = join(original.dataDir, 'snapshots', 'people.snapshot');
    await eventually('a snapshot', async () => (existsSync(snapshot) ? true : undefined));
    const { processes } = original.run;
    await original.stop('SIGKILL');
    for (const { pid } of processes) process.kill(pid, 'SIGKILL');

    execFileSync('cp', ['-a', `${original.dataDir}/.`, twinFolder]);
    const deleted = await original.json<{ deleted: string[] }>('reset', '--derived', '--yes');
    expect(deleted.deleted).toEqual(['nats', 'snapshots', 'readmodels']);
    expect(existsSync(snapshot)).toBe(false);

    const now = new Date(Date.now() + 60_000).toISOString();
    const before = saidIn(original.dataDir).length;
    await original.start();
    const rebuilt = await look(original, now);
    await original.stop();
    twin = await RunningOo.start(env, twinFolder);
    const kept = await look(twin, now);

    // The one was folded from the store, the other went on from what was kept.
    expect(saidIn(original.dataDir).slice(before)).toContain('there is no snapshot');
    const said = saidIn(twinFolder).slice(before);
    expect(said).toContain('the snapshot was read');
    expect(said).not.toContain('everybody is folded from the store');
    expect(rebuilt.tip).not.toBeNull();
    expect(rebuilt.tip).toEqual(kept.tip);
    expect(rebuilt.timeline).toEqual(kept.timeline);
    expect(rebuilt.next).toEqual(kept.next);
  } finally {
    await twin?.dispose();
    await original.dispose();
    rmSync(twinFolder, { recursive: true, force: true });
  }
}, 400_000);
