import { LockStep } from './recommender.js';
import { type Run, World } from './world.js';

export interface Simulation {
  readonly first: number;
  readonly count: number;
  /** Tell all that happens. */
  readonly trace: boolean;
}

/** Plays seeds until one is violated. @returns the exit code */
export async function simulate({ first, count, trace }: Simulation): Promise<number> {
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const begun = performance.now();
  const lockStep = new LockStep();
  const sums = { steps: 0, events: 0, acknowledged: 0, decisions: 0, tips: 0 };
  const faults: Record<string, number> = {};
  let interrupted = false;
  process.once('SIGINT', () => {
    interrupted = true;
  });
  let played = 0;
  try {
    for (let seed = first; seed < first + count && !interrupted; seed++) {
      const run = await new World(seed, lockStep, {}, trace ? say : undefined).run();
      played++;
      add(sums, run);
      for (const [name, times] of Object.entries(run.faults)) faults[name] = (faults[name] ?? 0) + times;
      if (count === 1) say(JSON.stringify({ ...run, violation: run.violation?.message }, null, 2));
      if (run.violation !== undefined) {
        say(`seed ${seed} is violated: ${run.violation.message}`);
        say(`Play it again with: npm run simulate -- --seed ${seed} --trace`);
        return 1;
      }
      if (played % 50 === 0) say(`${played} of ${count} seeds, ${rate(played, begun)} seeds/s`);
    }
  } finally {
    await lockStep.close();
  }
  const list = Object.entries(faults).map(([name, times]) => `${name} ${times}`);
  say(`${played} seeds, none violated: ${sums.events} events, ${sums.acknowledged} acknowledged commands, `);
  say(
    `${sums.decisions} decisions with ${sums.tips} tips, in ${sums.steps} steps; ${rate(played, begun)} seeds/s`,
  );
  say(`faults: ${list.join(', ')}`);
  return interrupted ? 130 : 0;
}

function add(
  sums: Record<'steps' | 'events' | 'acknowledged' | 'decisions' | 'tips', number>,
  run: Run,
): void {
  for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += run[name];
}

const rate = (count: number, since: number): string =>
  (count / ((performance.now() - since) / 1000)).toFixed(1);
