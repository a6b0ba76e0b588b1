import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDecisionId, QUERIES, type UserId } from '@oo/contracts';
import { ROOT, type RunFile } from '@oo/embedded';
import { decisionById, lastDecision } from '@oo/projections';
import { z } from 'zod';
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

/** What all contributions add up to, also those that are too small to be recorded as reasons. */
interface Sum {
  readonly total: number;
  readonly count: number;
}

/** How the probability of speaking came about, where the policy tells. */
interface Account {
  readonly moment: Sum;
  /** Of the chosen one. */
  readonly tip: Sum | null;
  /** What the candidates are worth on average. */
  readonly expected: number;
  /** The probability that moment and tips make, before bounds and page. */
  readonly act: number;
  /** An open page settled it instead. */
  readonly page: boolean;
}

/** What the recommender's replay says of one decision. */
interface Explained {
  readonly user: string;
  readonly identical: boolean;
  readonly record: {
    readonly decidedAt: string;
    /** Until when the tip stays, or the outcome of waiting is counted. */
    readonly holdsUntil: string;
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
    readonly account: Account | null;
    readonly choice: string | null;
    readonly alternatives: readonly { readonly ref: string; readonly probability: number }[];
  };
}

export interface Why extends Explained {
  /** The tip's text: an advice's from the catalogue, a todo's asked of its source now; null where there is none. */
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
  if (ref.startsWith('oo:')) return adviceTitle(ref);
  const text = (await withBroker(run, (nats) => ask(nats, QUERIES.text, { userId, ref }))) as {
    title?: string;
  };
  return text.title ?? null;
}

const catalogue = z.object({ advices: z.array(z.object({ ref: z.string(), title: z.string() })) });

/** The words of an advice, out of contracts/advices.json; null for one that this build has no more. */
export function adviceTitle(ref: string): string | null {
  const file = join(ROOT, 'contracts/advices.json');
  const { advices } = catalogue.parse(JSON.parse(readFileSync(file, 'utf8')));
  return advices.find((advice) => advice.ref === ref)?.title ?? null;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
const line = (contribution: number, words: string): string => `  ${signed(contribution)}  ${words}`;
const thousandths = (value: number): number => Math.round(value * 1000);

/** The reasons, and below them what is missing to their sum, so that the column adds up as it is printed. */
function reasonLines(title: string, reasons: readonly Reason[], sum: Sum | null | undefined): string[] {
  if (reasons.length === 0) return [];
  const lines = ['', title, ...reasons.map(({ words, contribution }) => line(contribution, words))];
  if (sum === null || sum === undefined) return lines;
  const shown = reasons.reduce((total, { contribution }) => total + thousandths(contribution), 0);
  const rest = (thousandths(sum.total) - shown) / 1000;
  const smaller = Math.max(0, sum.count - reasons.length);
  if (smaller > 0) lines.push(line(rest, `and ${smaller} smaller`));
  else if (rest !== 0) lines.push(line(rest, 'rounding'));
  return lines;
}

/** What the tips add to the moment, the sum, and the probability that it makes. */
function accountLines({ moment, expected, act, page }: Account, actProbability: number): string[] {
  const sum = (thousandths(moment.total) + thousandths(expected)) / 1000;
  const settled = thousandths(act) === thousandths(actProbability);
  const otherwise = page
    ? `; as the page is open, it is ${percent(actProbability)}`
    : `; neither answer is ever ruled out, so it is ${percent(actProbability)}`;
  return [
    line(expected, 'what the tips at hand are worth on average'),
    line(sum, `in all, which makes ${percent(act)}${settled ? '' : otherwise}`),
  ];
}

function becameLine({ record, explanation, outcome }: Why): string | undefined {
  const became = outcome.outcome?.replace('OUTCOME_KIND_', '').toLowerCase().replaceAll('_', ' ');
  if (explanation.choice === null) {
    return became === undefined ? undefined : `It kept silent until ${record.holdsUntil}.`;
  }
  if (outcome.answer === null && became === undefined) return undefined;
  return `Answered: ${outcome.answer ?? 'not at all'}. Outcome: ${became ?? 'still open'}.`;
}

export function whyText(why: Why): string {
  const { record, explanation, title, identical, differences } = why;
  const { choice, obstacles, alternatives, account } = explanation;
  const lines = [
    choice === null ? 'Nothing was said.' : `The tip was ${choice}${title === null ? '' : ` “${title}”`}.`,
    `${record.decidedAt}: ${explanation.trigger.words}`,
    '',
    ...(obstacles.length > 0
      ? ['Speaking was not allowed:', ...obstacles.map(({ words }) => `  ${words}`)]
      : [`Probability of speaking: ${percent(explanation.actProbability)}`]),
    ...reasonLines('Why this moment, and why not:', explanation.momentReasons, account?.moment),
    ...(account === null ? [] : accountLines(account, explanation.actProbability)),
    ...reasonLines('Why this tip, and why not:', explanation.tipReasons, account?.tip),
  ];
  if (alternatives.length > 0) {
    const rows = alternatives.map(({ ref, probability }) => [
      `  ${ref}`,
      percent(probability),
      ref === choice ? '← chosen' : '',
    ]);
    lines.push('', table(['  CANDIDATE', 'IF SPEAKING', ''], rows));
  }
  const became = becameLine(why);
  if (became !== undefined) lines.push('', became);
  lines.push(
    '',
    `Policy ${record.policy} ${record.policyVersion}, prior ${record.priorVersion}, state ${record.stateDigest.slice(0, 16)}…`,
    identical
      ? 'Decided again from the recorded events: bit-identical.'
      : ['Decided again from the recorded events: NOT the same.', ...differenceLines(differences)].join('\n'),
  );
  return lines.join('\n');
}
