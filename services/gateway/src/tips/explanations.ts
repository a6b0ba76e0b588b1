import {
  type DecisionId,
  type DecisionRecord,
  type Reason,
  streamOf,
  TriggerKind,
  Unavailability,
  type UserId,
  VoidReason,
} from '@oo/contracts';
import { type EventStore, parseStored } from '@oo/event-sourcing';
import { decisionById, type ReadModels, waitFor } from '@oo/projections';
import type { Log } from '@oo/service-host';
import { z } from 'zod';
import { contractFile } from './contract-file.js';
import type { Explanation, ReasonView } from './explanation.js';
import { unknownTip } from './tip-commands.js';

/** For so long a decision that is not there yet is waited for. */
const PATIENCE_MS = 1_000;

const sentence = z.string().min(1);

/** A sentence for each value of an enum but the unspecified one, no more and no fewer. */
const forEach = <Name extends string>(values: Readonly<Record<string, Name>>) =>
  z.record(z.enum(Object.values(values).filter((value) => !value.endsWith('_UNSPECIFIED'))), sentence);

/** Words for what a record says in codes. */
const explanationWords = z.object({
  reasons: z.record(z.string(), sentence),
  unavailable: forEach(Unavailability),
  triggers: forEach(TriggerKind),
  voided: forEach(VoidReason),
});

/** Turns the record of a decision into words. */
export class Explanations {
  private readonly words: z.infer<typeof explanationWords>;

  constructor(
    private readonly sql: ReadModels,
    private readonly eventStore: EventStore,
    private readonly log: Log,
  ) {
    this.words = contractFile('explanations.json', explanationWords);
  }

  /**
   * The read model knows where the record stands; the record itself is read from the store, so that what is said is
   * what was recorded.
   * @throws ProblemError `unknown-tip`, also where the decision is another person's
   */
  async of(user: UserId, id: DecisionId): Promise<Explanation> {
    const found = await this.#find(user, id);
    if (found?.userId !== user) throw unknownTip('is of no decision of yours');
    const [stored] = await this.eventStore.readForward(streamOf('tips', user), found.revision, 1);
    const event = stored === undefined ? undefined : parseStored(stored);
    switch (event?.type) {
      case 'TipProposed':
      case 'TipWithheld': {
        const { decision } = event.data;
        if (decision === undefined) break;
        return this.#ofRecord(event.type === 'TipProposed' ? 'proposed' : 'withheld', decision);
      }
      case 'DecisionVoided': {
        const { reason, trigger } = event.data;
        return {
          decisionId: id,
          kind: 'voided',
          decidedAt: null,
          trigger: this.#trigger(trigger?.kind),
          obstacles: [{ code: reason, words: this.#wordsOf(this.words.voided, reason) }],
          momentReasons: [],
          tipReasons: [],
          actProbability: null,
          policy: null,
          policyVersion: null,
        };
      }
    }
    throw new Error(`decision ${id} does not stand at revision ${found.revision} of its stream`);
  }

  /** A tip is on the page some milliseconds before this read model has its decision. */
  async #find(user: UserId, id: DecisionId): ReturnType<typeof decisionById> {
    const found = await decisionById(this.sql, id);
    if (found !== undefined) return found;
    const stream = streamOf('tips', user);
    const [last] = await this.eventStore.readLast(stream, 1);
    if (last === undefined) return undefined;
    const waited = await waitFor(this.sql, 'decisions', { stream, revision: last.revision }, PATIENCE_MS);
    return waited === 'timeout' ? undefined : decisionById(this.sql, id);
  }

  #ofRecord(kind: 'proposed' | 'withheld', decision: DecisionRecord): Explanation {
    return {
      decisionId: decision.decisionId,
      kind,
      decidedAt: decision.decidedAt ?? null,
      trigger: this.#trigger(decision.trigger?.kind),
      obstacles: decision.unavailable.map((code) => ({
        code,
        words: this.#wordsOf(this.words.unavailable, code),
      })),
      momentReasons: this.#inWords(decision.momentReasons),
      tipReasons: this.#inWords(decision.tipReasons),
      actProbability: decision.actProbability,
      policy: decision.policy,
      policyVersion: decision.policyVersion,
    };
  }

  #trigger(kind: TriggerKind = TriggerKind.TRIGGER_KIND_UNSPECIFIED): Explanation['trigger'] {
    return { kind, words: this.#wordsOf(this.words.triggers, kind) };
  }

  #inWords(reasons: readonly Reason[]): ReasonView[] {
    return reasons
      .map(({ code, contribution }) => ({
        code,
        words: this.#wordsOf(this.words.reasons, code),
        contribution,
      }))
      .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  }

  /** A policy may know codes that this build has no words for; then the code stands for itself. */
  #wordsOf(words: Readonly<Record<string, string>>, code: string): string {
    const found = words[code];
    if (found === undefined) this.log.warn({ code }, 'there are no words for a code');
    return found ?? code;
  }
}
