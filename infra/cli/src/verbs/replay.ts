import type { RunFile } from '@oo/embedded';
import { resolveUser } from '../people.js';
import { type Difference, differenceLines, replayInPython } from './recorded-decisions.js';

export interface Replay {
  readonly identical: boolean;
  readonly decisions: number;
  readonly users: readonly ReplayedPerson[];
}

interface ReplayedPerson {
  readonly user: string;
  readonly events: number;
  readonly decisions: number;
  readonly differences: readonly { readonly decisionId: string; readonly fields: readonly Difference[] }[];
  /** The state that the events fold to. */
  readonly state: { readonly stateDigest: string };
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

export function replayText({ identical, decisions, users }: Replay): string {
  const lines = users.map(({ user, events, decisions: count, differences, state }) => {
    const verdict = differences.length === 0 ? 'all identical' : `${differences.length} DIFFER`;
    return `${user}  ${events} events, ${count} decisions, ${verdict}, state ${state.stateDigest.slice(0, 16)}…`;
  });
  const details = users.flatMap(({ differences }) =>
    differences.flatMap(({ decisionId, fields }) => ['', decisionId, ...differenceLines(fields)]),
  );
  const verdict =
    decisions === 0
      ? 'There is no decision yet.'
      : identical
        ? `All ${decisions} decisions came out bit-identical.`
        : `NOT all of ${decisions} decisions came out the same.`;
  return [...lines, ...details, '', verdict].join('\n');
}
