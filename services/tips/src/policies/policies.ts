import { type DomainEvent, problem, type SharedCommandOf } from '@oo/contracts';
import { type Decider, type Decision, fromTheFuture } from '@oo/event-sourcing/pure';

export type PriorEvent = DomainEvent<'PriorPublished'>;
export type PolicyEvent = DomainEvent<'PolicyJudged'>;

/** Digests of the published priors, by version. */
export type Priors = ReadonlyMap<string, string>;

/** A version names one prior for ever: recorded decisions were made from it. */
export const priorsDecider: Decider<Priors, SharedCommandOf<'PublishPrior'>, PriorEvent> = {
  evolves: ['PriorPublished'],
  initialState: () => new Map(),
  decide({ context, prior }, priors): Decision<PriorEvent> {
    const future = fromTheFuture(context);
    if (future !== undefined) return { problem: future };
    const known = priors.get(prior.version);
    if (known === undefined) return { events: [{ type: 'PriorPublished', data: prior }] };
    return known === prior.digest
      ? { events: [] }
      : {
          problem: problem(
            'conflict',
            `Another prior is called ${prior.version}. Give this one a new version.`,
          ),
        };
  },
  evolve: (priors, { data }) => new Map([...priors, [data.version, data.digest]]),
};

/** What the gate found is recorded each time, passed or not. */
export const policiesDecider: Decider<null, SharedCommandOf<'JudgePolicy'>, PolicyEvent> = {
  evolves: ['PolicyJudged'],
  initialState: () => null,
  decide({ context, judgement }): Decision<PolicyEvent> {
    const future = fromTheFuture(context);
    if (future !== undefined) return { problem: future };
    if (judgement.passed !== (judgement.reason === '')) {
      return {
        problem: problem('conflict', 'A judgement passed without a reason, or did not pass and has one.'),
      };
    }
    return { events: [{ type: 'PolicyJudged', data: judgement }] };
  },
  evolve: (state) => state,
};
