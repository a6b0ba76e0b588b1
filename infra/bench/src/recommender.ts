import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Producer, type RunningOo } from '@oo/cli/testing';
import { latencies, type Measurement, measurement, percentile } from './measurement.js';

const SAMPLES = 200;

/** A decision over HTTP, over the recommender's own bare answer (its liveness). */
export async function decisionOverHttp(oo: RunningOo): Promise<Measurement[]> {
  const health = oo.run.processes.find(({ name }) => name === 'recommender')?.healthUrl;
  if (health === undefined) throw new Error('the recommender has no address');
  const { userId, token } = await oo.json<{ userId: string; token: string }>('person', 'decision');
  await new Producer(oo, token).signal('MoodReported', { valence: 1, energy: 1 });
  await oo.quiet();
  const recommend = new URL('/recommend', health);
  const decisions = await latencies(SAMPLES, async () => {
    const response = await fetch(recommend, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ userId, dryRun: true }),
    });
    if (!response.ok) throw new Error(`POST /recommend is refused: ${await response.text()}`);
    await response.arrayBuffer();
  });
  const bare = await latencies(SAMPLES, async () =>
    (await fetch(new URL('/health/live', health))).arrayBuffer(),
  );
  return [0.5, 0.99].map((p) =>
    measurement(
      `decision-p${p * 100}`,
      percentile(decisions, p),
      'ms',
      percentile(bare, p),
      'an empty answer of the same server',
    ),
  );
}

interface Row {
  readonly name: string;
  readonly value: number;
  readonly baseline: number;
}

/** Events folded a second, over the recommender's own learn_one alone, as its speed command measures both. */
export async function fold(): Promise<Measurement> {
  const { stdout } = await promisify(execFile)(process.env.OO_PYTHON ?? 'python3', [
    ...['-m', 'ml.evaluation.speed', '--json'],
  ]);
  const row = (JSON.parse(stdout) as Row[]).find(({ name }) => name === 'fold');
  if (row === undefined) throw new Error('the speed command measured no fold');
  return measurement('fold', row.value, 'events/s', row.baseline, 'learn_one of the belief alone');
}
