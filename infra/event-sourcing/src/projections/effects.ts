import { parseStored } from '../event-store/stored-event.js';
import type { Change } from './changes.js';
import type { ArrivedEvent } from './history.js';
import { followedOwner, type Owner, type ProjectionDefinition } from './projection.js';

/** What an event does to rows, or why it cannot be applied. It depends on the event alone. */
export type Effect = { readonly changes: readonly Change[] } | { readonly refusal: string };

export function effectOf(projection: ProjectionDefinition, event: ArrivedEvent, owner: Owner): Effect {
  try {
    const changes = projection.apply(parseStored(event));
    for (const change of changes) requireOwner(change, owner);
    return { changes };
  } catch (error) {
    return { refusal: error instanceof Error ? error.message : String(error) };
  }
}

/** Effects of the events that a projection reads. */
export type Effects = ReadonlyMap<ArrivedEvent, Effect>;

/** Works out what events do before their turn has come: while the database still writes those before them. */
export function effectsOf(projection: ProjectionDefinition, events: readonly ArrivedEvent[]): Effects {
  const effects = new Map<ArrivedEvent, Effect>();
  // Many events of few streams.
  const owners = new Map<string, Owner | undefined>();
  for (const event of events) {
    if (!projection.reads.has(event.type)) continue;
    if (!owners.has(event.stream)) owners.set(event.stream, followedOwner(projection, event.stream));
    const owner = owners.get(event.stream);
    if (owner !== undefined) effects.set(event, effectOf(projection, event, owner));
  }
  return effects;
}

/** @throws Error for a change of another person's row. */
function requireOwner(change: Change, owner: Owner): void {
  const { user_id } = change.op === 'upsert' ? change.row : change.key;
  if (user_id !== owner) throw new Error(`an event of ${owner} would change a row of ${String(user_id)}`);
}
