import { type CommandOf, type DomainEvent, ownerOf, problem } from '@oo/contracts';
import { addressOf, type Decider, type Decision, fromTheFuture } from '@oo/event-sourcing/pure';

export type SkipParkedEvent = CommandOf<'SkipParkedEvent'>;
export type SkipEvent = DomainEvent<'ParkedEventSkipped'>;

/** What read models leave out of a person's events: `PROJECTION STREAM@REVISION`. */
export type Skips = ReadonlySet<string>;

const keyOf = ({ projection, stream, revision }: SkipParkedEvent['skipped']) =>
  `${projection} ${addressOf({ stream, revision })}`;

/** Records that a read model leaves an event out. To say it again is no mistake, and records nothing. */
export const skipsDecider: Decider<Skips, SkipParkedEvent, SkipEvent> = {
  evolves: ['ParkedEventSkipped'],
  initialState: () => new Set(),
  decide({ context, skipped }, skips): Decision<SkipEvent> {
    const future = fromTheFuture(context);
    if (future !== undefined) return { problem: future };
    if (ownerOf(skipped.stream)?.userId !== context.userId) {
      return {
        problem: problem('invalid-input', 'Correct and send again. skipped.stream: is not of this person', [
          { field: 'skipped.stream', message: 'is not of this person' },
        ]),
      };
    }
    return { events: skips.has(keyOf(skipped)) ? [] : [{ type: 'ParkedEventSkipped', data: skipped }] };
  },
  evolve: (skips, { data }) => new Set([...skips, keyOf(data)]),
};
