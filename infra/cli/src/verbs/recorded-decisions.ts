import { spawn } from 'node:child_process';
import type { RunFile } from '@oo/embedded';
import { CommandError, EXIT } from '../output.js';
import { addressOf } from '../running.js';

/** A field of a decision's record that came out otherwise. */
export interface Difference {
  /** Path in the record, dots between names: candidates.2.probability. */
  readonly field: string;
  readonly recorded: unknown;
  readonly replayed: unknown;
}

export const differenceLines = (differences: readonly Difference[]): string[] =>
  differences.map(
    ({ field, recorded, replayed }) =>
      `  ${field}: recorded ${JSON.stringify(recorded)}, now ${JSON.stringify(replayed)}`,
  );

/**
 * Runs the recommender's own replay: it alone can decide again. Its progress (standard error) goes through to the
 * terminal.
 * @returns its JSON and whether all came out the same
 */
export function replayInPython(
  run: RunFile,
  args: readonly string[],
): Promise<{ identical: boolean; report: unknown }> {
  const python = process.env.OO_PYTHON ?? 'python3';
  return new Promise((resolve, reject) => {
    const child = spawn(python, ['-m', 'ml.serving.replay', '--json', ...args], {
      env: { ...process.env, OO_NATS_URL: addressOf(run, 'OO_NATS_URL') },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
    child.once('error', (error) => reject(new CommandError(EXIT.unavailable, `${python}: ${error.message}`)));
    child.once('close', (code) => {
      if (code === EXIT.notFound) {
        reject(
          new CommandError(
            EXIT.notFound,
            'There is no such decision, tip or person. See: npx oo timeline demo',
          ),
        );
      } else if ((code !== 0 && code !== EXIT.differs) || output === '') {
        reject(new CommandError(EXIT.unavailable, `the replay could not run (exit ${code})`));
      } else {
        resolve({ identical: code === 0, report: JSON.parse(output) });
      }
    });
  });
}
