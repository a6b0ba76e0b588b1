import { type CommandReply, edge, recordCommandIdOf, recorded } from '@oo/contracts';
import { type Clock, type CommandContext, Poison, STREAMS, type WorkQueue } from '@oo/event-sourcing';
import type { Log } from '@oo/service-host';
import { z } from 'zod';
import type { Tips } from '../tips.js';
import { settled } from './reply.js';

/** What has to be readable of a proposal for its decision point to be ended. */
const salvage = z.object({
  userId: recorded.proposal.shape.userId,
  tenantId: recorded.proposal.shape.tenantId,
  decision: recorded.events.DecisionVoided.pick({ decisionId: true, trigger: true }),
});

/** Makes the recommender's proposals facts, one after the other for each person. */
export function proposalQueue(tips: Tips, clock: Clock, log: Pick<Log, 'warn'>): WorkQueue {
  return {
    stream: STREAMS.proposals,
    durable: 'tips',
    lane: ({ subject }) => subject,
    handle: async (message) => {
      const json = jsonOf(message.data);
      const proposal = edge.proposal.safeParse(json);
      const readable = proposal.success ? proposal : salvage.safeParse(json);
      if (!readable.success) throw new Poison('not a proposal', { cause: proposal.error });
      const { userId, decision } = readable.data;
      if (message.subject.split('.').at(-1) !== userId) {
        throw new Poison('the proposal is about another person than its subject');
      }
      if (!proposal.success) {
        log.warn({ decisionId: decision.decisionId, err: proposal.error }, 'a proposal is void: not valid');
      }
      const reply = proposal.success
        ? await record(proposal.data, tips, clock)
        : await voided(readable.data, tips, clock);
      const refused = settled(reply);
      if (refused !== undefined)
        log.warn({ refused, decisionId: decision.decisionId }, 'a proposal came to nothing');
    },
  };
}

function record(proposal: z.infer<typeof edge.proposal>, tips: Tips, clock: Clock): Promise<CommandReply> {
  const { decision, correlationId, causationId } = proposal;
  const occurredAt = decision.decidedAt;
  return tips.record({
    context: { ...contextOf(proposal, clock), correlationId, causationId, occurredAt },
    decision,
  });
}

function voided(about: z.infer<typeof salvage>, tips: Tips, clock: Clock): Promise<CommandReply> {
  return tips.handle({
    type: 'VoidDecision',
    command: { context: contextOf(about, clock), ...about.decision },
  });
}

function contextOf({ userId, tenantId, decision }: z.infer<typeof salvage>, clock: Clock): CommandContext {
  const now = clock.now();
  const { decisionId } = decision;
  return {
    // The first end of a decision point is its end, whatever is proposed again.
    commandId: recordCommandIdOf(decisionId),
    userId,
    tenantId,
    correlationId: decisionId,
    causationId: decisionId,
    producer: 'recommender',
    occurredAt: now,
    receivedAt: now,
  };
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch (cause) {
    throw new Poison('not JSON', { cause });
  }
}
