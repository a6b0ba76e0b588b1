import { deepStrictEqual, fail } from 'node:assert/strict';
import type { DomainEvent, ProblemKind } from '@oo/contracts';
import { type Decider, type Decision, fold } from './decider.js';

/** What can be said of a decision in a test. */
export interface Outcome<Event extends DomainEvent> {
  /** These events and no others, in this order. */
  then(...expected: readonly Event[]): void;
  thenNothingHappened(): void;
  thenRejected(kind: ProblemKind): void;
  /** The decision itself, for assertions of its parts. */
  readonly decision: Decision<Event>;
}

/** `given(...events).when(command).then(...events)` for a decider. */
export function specificationOf<State, Command, Event extends DomainEvent>(
  decider: Decider<State, Command, Event>,
): (...history: readonly Event[]) => { when(command: Command): Outcome<Event> } {
  return (...history) => ({
    when(command) {
      const decision = decider.decide(command, fold(decider, decider.initialState(), history));
      return {
        decision,
        // biome-ignore lint/suspicious/noThenProperty: the word of given, when, then; nobody awaits it
        then: (...expected) => deepStrictEqual(decision, { events: expected }),
        thenNothingHappened: () => deepStrictEqual(decision, { events: [] }),
        thenRejected(kind) {
          if ('events' in decision) fail(`expected ${kind}, got ${decision.events.length} events`);
          deepStrictEqual(decision.problem.type, `urn:oo:problem:${kind}`);
        },
      };
    },
  });
}
