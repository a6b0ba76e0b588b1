import type { DomainEvent, EventType, Problem } from '@oo/contracts';

/** What a decider says to a command: the events that happened (none: it is so already), or why not. */
export type Decision<Event extends DomainEvent = DomainEvent> =
  | { readonly events: readonly Event[] }
  | { readonly problem: Problem };

/**
 * The pure heart of a stream (Jérémie Chassaing's decider): no I/O, clock or randomness. Whatever is not in the
 * state comes with the command.
 */
export interface Decider<State, Command, Event extends DomainEvent = DomainEvent> {
  /** Types that `evolve` reads. Others are passed over unparsed. */
  readonly evolves: readonly Event['type'][];
  readonly initialState: () => State;
  readonly decide: (command: Command, state: State) => Decision<Event>;
  readonly evolve: (state: State, event: Event) => State;
}

/** Folds `events` onto `state`, oldest first. */
export function fold<State, Event extends DomainEvent>(
  decider: Pick<Decider<State, never, Event>, 'evolve'>,
  state: State,
  events: Iterable<Event>,
): State {
  let folded = state;
  for (const event of events) folded = decider.evolve(folded, event);
  return folded;
}

/** True for an event of one of the types that the decider reads. */
export function isEventOf<Event extends DomainEvent>(
  types: ReadonlySet<EventType>,
  event: DomainEvent,
): event is Event {
  return types.has(event.type);
}
