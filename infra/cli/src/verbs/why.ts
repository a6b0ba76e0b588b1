import { isDecisionId, QUERIES, type UserId } from '@oo/contracts';
import type { RunFile } from '@oo/embedded';
import { decisionById, lastDecision } from '@oo/projections';
import { CommandError, EXIT, table } from '../output.js';
import { resolveUser } from '../people.js';
import { ask, withBroker, withReadModels } from '../running.js';
import { type Difference, differenceLines, replayInPython } from './recorded-decisions.js';

interface InWords {
  readonly code: string;
  readonly words: string;
}
interface Reason extends InWords {
  readonly contribution: number;
}

/** What the recommender's replay says of one decision. */
interface Explained {
  readonly user: string;
  readonly identical: boolean;
  readonly record: {
    readonly decidedAt: string;
    readonly policy: string;
    readonly policyVersion: string;
    readonly priorVersion: string;
    readonly stateDigest: string;
  };
  readonly differences: readonly Difference[];
  readonly explanation: {
    readonly trigger: InWords;
    /** Why speaking was not allowed; empty where it was. */
    readonly obstacles: readonly InWords[];
    readonly momentReasons: readonly Reason[];
    readonly tipReasons: readonly Reason[];
    readonly actProbability: number;
    readonly choice: string | null;
    readonly alternatives: readonly { readonly ref: string; readonly probability: number }[];
  };
}

export interface Why extends Explained {
  /** The tip's text, asked of its source now; null where nothing was said or the source has it no more. */
  readonly title: string | null;
  /** What became of it. */
  readonly outcome: { readonly answer: string | null; readonly outcome: string | null };
}

/** @param which a decision's id, `last` for the person's last tip, or `last-withheld` */
export async function why(run: RunFile, which: string, user: string): Promise<Why> {
  const decision = await withReadModels(run, async (sql) => {
    if (isDecisionId(which)) return decisionById(sql, which);
    const kind = which === 'last' ? 'proposed' : which === 'last-withheld' ? 'withheld' : undefined;
    if (kind === undefined) {
      throw new CommandError(
        EXIT.usage,
        `"${which}" is no decision’s id; give one, or last, or last-withheld.`,
      );
    }
    const userId = await resolveUser(run, user);
    return lastDecision(sql, userId, kind);
  });
  if (decision === undefined) {
    throw new CommandError(EXIT.notFound, 'There is no such tip or decision. See: npx oo timeline demo');
  }
  if (decision.kind === 'voided') {
    throw new CommandError(
      EXIT.notFound,
      `Decision ${decision.decisionId} never became a fact (${decision.voidReason}), so there is no record of it.`,
    );
  }
  const { report } = await replayInPython(run, [
    '--decision',
    decision.decisionId,
    '--user',
    decision.userId,
  ]);
  const title =
    decision.choice === null ? null : await titleOf(run, decision.userId as UserId, decision.choice);
  return { ...(report as Explained), title, outcome: { answer: decision.answer, outcome: decision.outcome } };
}

async function titleOf(run: RunFile, userId: UserId, ref: string): Promise<string | null> {
  if (ref.startsWith('oo:')) return null;
  const text = (await withBroker(run, (nats) => ask(nats, QUERIES.text, { userId, ref }))) as {
    title?: string;
  };
  return text.title ?? null;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
const reasonLines = (title: string, reasons: readonly Reason[]): string[] =>
  reasons.length === 0
    ? []
    : ['', title, ...reasons.map(({ words, contribution }) => `  ${signed(contribution)}  ${words}`)];

export function whyText({ record, explanation, title, outcome, identical, differences }: Why): string {
  const { choice, obstacles, alternatives } = explanation;
  const lines = [
    choice === null ? 'Nothing was said.' : `The tip was ${choice}${title === null ? '' : ` “${title}”`}.`,
    `${record.decidedAt}: ${explanation.trigger.words}`,
    '',
    ...(obstacles.length > 0
      ? ['Speaking was not allowed:', ...obstacles.map(({ words }) => `  ${words}`)]
      : [`Probability of speaking: ${percent(explanation.actProbability)}`]),
    ...reasonLines('Why this moment, and why not:', explanation.momentReasons),
    ...reasonLines('Why this tip, and why not:', explanation.tipReasons),
  ];
  if (alternatives.length > 0) {
    const rows = alternatives.map(({ ref, probability }) => [
      `  ${ref}`,
      percent(probability),
      ref === choice ? '← chosen' : '',
    ]);
    lines.push('', table(['  CANDIDATE', 'IF SPEAKING', ''], rows));
  }
  if (outcome.answer !== null || outcome.outcome !== null) {
    const became =
      outcome.outcome?.replace('OUTCOME_KIND_', '').toLowerCase().replaceAll('_', ' ') ?? 'still open';
    lines.push('', `Answered: ${outcome.answer ?? 'not at all'}. Outcome: ${became}.`);
  }
  lines.push(
    '',
    `Policy ${record.policy} ${record.policyVersion}, prior ${record.priorVersion}, state ${record.stateDigest.slice(0, 16)}…`,
    identical
      ? 'Decided again from the recorded events: bit-identical.'
      : ['Decided again from the recorded events: NOT the same.', ...differenceLines(differences)].join('\n'),
  );
  return lines.join('\n');
}
