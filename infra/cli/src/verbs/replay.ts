import type { RunFile } from '@oo/embedded';
import { resolveUser } from '../people.js';
import { replayInPython } from './recorded-decisions.js';

export interface Replay {
  readonly identical: boolean;
  readonly decisions: number;
  readonly people: readonly ReplayedPerson[];
}

interface ReplayedPerson {
  readonly userId: string;
  readonly decisions: number;
  readonly stateDigest: string;
  readonly differing: readonly {
    readonly decisionId: string;
    readonly differences: readonly {
      readonly field: string;
      readonly recorded: unknown;
      readonly replayed: unknown;
    }[];
  }[];
}

/** @param user undefined for everybody */
export async function replay(
  run: RunFile,
  user: string | undefined,
  until: string | undefined,
): Promise<Replay> {
  const whom = user === undefined ? ['--all'] : ['--user', await resolveUser(run, user)];
  const { report } = await replayInPython(run, [...whom, ...(until === undefined ? [] : ['--until', until])]);
  return report as Replay;
}

export function replayText({ identical, decisions, people }: Replay): string {
  const lines = people.map(
    ({ userId, decisions: count, differing, stateDigest }) =>
      `${userId}  ${count} decisions, ${differing.length === 0 ? 'all identical' : `${differing.length} DIFFER`}, state ${stateDigest.slice(0, 16)}…`,
  );
  const details = people.flatMap(({ differing }) =>
    differing.flatMap(({ decisionId, differences }) => [
      `\n${decisionId}`,
      ...differences.map(
        ({ field, recorded, replayed }) =>
          `  ${field}: recorded ${JSON.stringify(recorded)}, now ${JSON.stringify(replayed)}`,
      ),
    ]),
  );
  const verdict =
    decisions === 0
      ? 'There is no decision yet.'
      : identical
        ? `All ${decisions} decisions came out bit-identical.`
        : `NOT all of ${decisions} decisions came out the same.`;
  return [...lines, ...details, '', verdict].join('\n');
}
