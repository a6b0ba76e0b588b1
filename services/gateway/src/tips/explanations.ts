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
import { decisionById, type ReadModels } from '@oo/projections';
import type { Log } from '@oo/service-host';
import { z } from 'zod';
import { contractFile } from './contract-file.js';
import type { Explanation, ReasonView } from './explanation.js';
import { unknownTip } from './tip-commands.js';

const TRIGGERS: Record<TriggerKind, string> = {
  [TriggerKind.TRIGGER_KIND_UNSPECIFIED]: 'Something happened.',
  [TriggerKind.TRIGGER_KIND_SIGNAL]: 'Something changed in your day.',
  [TriggerKind.TRIGGER_KIND_PAGE_OPENED]: 'You opened this page.',
  [TriggerKind.TRIGGER_KIND_MOMENT]: 'oO had planned to think again now.',
  [TriggerKind.TRIGGER_KIND_REQUEST]: 'A tip was asked for.',
};

const UNAVAILABLE: Record<Unavailability, string> = {
  [Unavailability.UNAVAILABILITY_UNSPECIFIED]: 'Speaking was not allowed.',
  [Unavailability.UNAVAILABILITY_NO_CONSENT]: 'You have not allowed tips.',
  [Unavailability.UNAVAILABILITY_QUIET_HOURS]: 'These are your quiet hours.',
  [Unavailability.UNAVAILABILITY_BUDGET_SPENT]: 'You have had today’s tips.',
  [Unavailability.UNAVAILABILITY_TIP_ACTIVE]: 'Another tip was waiting for your answer.',
  [Unavailability.UNAVAILABILITY_NO_CANDIDATE]: 'There was nothing to suggest.',
};

const VOID: Record<VoidReason, string> = {
  [VoidReason.VOID_REASON_UNSPECIFIED]: 'It could not become a tip.',
  [VoidReason.VOID_REASON_TIP_ACTIVE]: 'Another tip was waiting for your answer by then.',
  [VoidReason.VOID_REASON_BUDGET_SPENT]: 'You had had that day’s tips by then.',
  [VoidReason.VOID_REASON_NO_CONSENT]: 'You had not allowed tips by then.',
  [VoidReason.VOID_REASON_STALE]: 'It came when its moment was over.',
  [VoidReason.VOID_REASON_INVALID]: 'It was not a valid decision.',
};

const words = z.object({ reasons: z.record(z.string(), z.string().min(1)) });

/** Turns the record of a decision into words. */
export class Explanations {
  private readonly words: Readonly<Record<string, string>>;

  constructor(
    private readonly sql: ReadModels,
    private readonly eventStore: EventStore,
    private readonly log: Log,
  ) {
    this.words = contractFile('explanations.json', words).reasons;
  }

  /**
   * The read model knows where the record stands; the record itself is read from the store, so that what is said is
   * what was recorded.
   * @throws ProblemError `unknown-tip`, also where the decision is another person's
   */
  async of(user: UserId, id: DecisionId): Promise<Explanation> {
    const found = await decisionById(this.sql, id);
    if (found === undefined || found.userId !== user) {
      throw unknownTip('is of no decision of yours; it may have been made this very moment, then ask again');
    }
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
          trigger: triggerView(trigger?.kind),
          obstacles: [{ code: reason, words: VOID[reason] }],
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

  #ofRecord(kind: 'proposed' | 'withheld', decision: DecisionRecord): Explanation {
    return {
      decisionId: decision.decisionId,
      kind,
      decidedAt: decision.decidedAt ?? null,
      trigger: triggerView(decision.trigger?.kind),
      obstacles: decision.unavailable.map((code) => ({ code, words: UNAVAILABLE[code] })),
      momentReasons: this.#inWords(decision.momentReasons),
      tipReasons: this.#inWords(decision.tipReasons),
      actProbability: decision.actProbability,
      policy: decision.policy,
      policyVersion: decision.policyVersion,
    };
  }

  #inWords(reasons: readonly Reason[]): ReasonView[] {
    return reasons
      .map(({ code, contribution }) => {
        const found = this.words[code];
        if (found === undefined) this.log.warn({ code }, 'there are no words for a reason');
        return { code, words: found ?? code, contribution };
      })
      .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  }
}

function triggerView(kind: TriggerKind = TriggerKind.TRIGGER_KIND_UNSPECIFIED): Explanation['trigger'] {
  return { kind, words: TRIGGERS[kind] };
}
