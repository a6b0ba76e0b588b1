import { isDecisionId, QUERIES, type UserId } from '@oo/contracts';
import type { RunFile } from '@oo/embedded';
import { decisionById, decisionsPage } from '@oo/projections';
import { CommandError, EXIT, table } from '../output.js';
import { resolveUser } from '../people.js';
import { ask, withBroker, withReadModels } from '../running.js';
import { replayInPython } from './recorded-decisions.js';

interface ReasonInWords {
  readonly code: string;
  readonly contribution: number;
  readonly words: string;
}

interface Difference {
  readonly field: string;
  readonly recorded: unknown;
  readonly replayed: unknown;
}

/** What the recommender's replay says of one decision. */
interface Explained {
  readonly decisionId: string;
  readonly userId: string;
  readonly identical: boolean;
  readonly record: Readonly<Record<string, unknown>> & {
    readonly decidedAt: string;
    readonly policy: string;
    readonly policyVersion: string;
    readonly priorVersion: string;
    readonly stateDigest: string;
    readonly actProbability?: number;
    readonly choice?: string;
    readonly unavailable?: readonly string[];
    readonly candidates?: readonly { readonly ref: string; readonly probability?: number }[];
    readonly trigger: { readonly kind: string; readonly id: string };
  };
  readonly replayed: unknown;
  readonly differences: readonly Difference[];
  readonly summary: string;
  readonly momentReasons: readonly ReasonInWords[];
  readonly tipReasons: readonly ReasonInWords[];
  readonly unavailable: readonly { readonly code: string; readonly words: string }[];
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
    const { items } = await decisionsPage(sql, userId, { limit: 500 });
    return items.find((item) => item.kind === kind);
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
const reasonLines = (reasons: readonly ReasonInWords[]): string[] =>
  reasons.map(({ words, contribution }) => `  ${signed(contribution)}  ${words}`);

export function whyText(answer: Why): string {
  const { record } = answer;
  const choice = record.choice ?? '';
  const candidates = [...(record.candidates ?? [])].sort(
    (a, b) => (b.probability ?? 0) - (a.probability ?? 0),
  );
  const lines = [
    choice === ''
      ? 'Nothing was said.'
      : `The tip was ${choice}${answer.title === null ? '' : ` “${answer.title}”`}.`,
    `Decided at ${record.decidedAt} (${record.trigger.kind.replace('TRIGGER_KIND_', '').toLowerCase().replace('_', ' ')}). ${answer.summary}`,
    '',
  ];
  if (answer.unavailable.length > 0) {
    lines.push('Speaking was not allowed:', ...answer.unavailable.map(({ words }) => `  ${words}`), '');
  } else {
    lines.push(`Probability of speaking: ${percent(record.actProbability ?? 0)}`);
  }
  if (answer.momentReasons.length > 0)
    lines.push('', 'Why this moment:', ...reasonLines(answer.momentReasons));
  if (answer.tipReasons.length > 0) lines.push('', 'Why this tip:', ...reasonLines(answer.tipReasons));
  if (candidates.length > 0) {
    const rows = candidates.map(({ ref, probability }) => [
      `  ${ref}`,
      percent(probability ?? 0),
      ref === choice ? 'chosen' : '',
    ]);
    lines.push('', table(['  CANDIDATE', 'IF SPEAKING', ''], rows));
  }
  const { answer: answered, outcome } = answer.outcome;
  if (answered !== null || outcome !== null) {
    lines.push('', `Answered: ${answered ?? 'not at all'}. Outcome: ${outcome ?? 'still open'}.`);
  }
  lines.push(
    '',
    `Policy ${record.policy} ${record.policyVersion}, prior ${record.priorVersion}, state ${record.stateDigest.slice(0, 16)}…`,
    answer.identical
      ? 'Decided again from the recorded events: bit-identical.'
      : `Decided again from the recorded events: NOT the same.\n${answer.differences
          .map(
            ({ field, recorded, replayed }) =>
              `  ${field}: recorded ${JSON.stringify(recorded)}, now ${JSON.stringify(replayed)}`,
          )
          .join('\n')}`,
  );
  return lines.join('\n');
}
