import { type Category, digestOf, EVENTS, type EventType, ownerOf, type RecordedEvent } from '@oo/contracts';
import type { Change } from './changes.js';
import { SKIPS } from './skips.js';
import type { Table } from './tables.js';

/**
 * A read model: its tables and what each event does to their rows.
 *
 * `version` is raised with every change of the tables, of `reads` or of what `apply` makes of an event: the tables
 * of each version live in a schema of their own, so the new ones are built beside those in use.
 */
export interface Projection<Type extends EventType = EventType> {
  /** Lower case, words joined by dashes: `current-tip`. */
  readonly name: string;
  readonly version: number;
  readonly tables: readonly Table[];
  /**
   * Somebody waits at a page for these rows: an event of the streams that are followed is written as it comes. All others
   * wait a moment for more, and are written together; on a tip's way to the page, the processors are then its own.
   */
  readonly isAwaited?: boolean;
  /** Types that `apply` is given. Others of the same streams are passed over unparsed. */
  readonly reads: readonly Type[];
  /** Pure. What it throws parks the event, and with it the person, until `apply` can read it. */
  readonly apply: NoInfer<(event: RecordedEvent<Type>) => readonly Change[]>;
}

/** What the machinery works with: a projection, and what follows from its definition. */
export interface ProjectionDefinition {
  readonly name: string;
  readonly version: number;
  readonly tables: readonly Table[];
  readonly reads: ReadonlySet<string>;
  /** Categories of the streams that it follows. */
  readonly categories: readonly Category[];
  readonly isAwaited: boolean;
  /** `current_tip_v1`: schema of the tables. */
  readonly schema: string;
  /** Digest of the tables and of what is read: another one under the same version is a mistake. */
  readonly fingerprint: string;
  /** @throws whatever the projection's `apply` throws */
  readonly apply: (event: RecordedEvent) => readonly Change[];
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** @throws RangeError for a name that is not in lower case with dashes, or a version below 1. */
export function defineProjection<const Type extends EventType>(
  projection: Projection<Type>,
): ProjectionDefinition {
  const { name, version, tables, isAwaited = false, reads, apply } = projection;
  if (!NAME.test(name)) throw new RangeError(`${name}: a projection's name is lower case, joined by dashes`);
  if (!Number.isInteger(version) || version < 1) throw new RangeError(`${name}: versions count from 1`);
  const types: ReadonlySet<string> = new Set(reads);
  const isRead = (event: RecordedEvent): event is RecordedEvent & RecordedEvent<Type> =>
    types.has(event.type);
  return {
    name,
    version,
    tables,
    isAwaited,
    reads: types,
    categories: [...new Set(reads.map((type) => EVENTS[type].category))],
    schema: `${name.replaceAll('-', '_')}_v${version}`,
    fingerprint: digestOf({
      reads: [...reads].sort(),
      tables: tables.map(({ name, columns, key, indexes }) => ({
        name,
        columns: { ...columns },
        key: [...key],
        indexes: [...indexes],
      })),
    }),
    apply: (event) => (isRead(event) ? apply(event) : []),
  };
}

/** Who a stream's rows belong to: the person's id, or the stream's own name where it is nobody's. */
export type Owner = string;

/** The owner of a stream, if the projection follows it. */
export function followedOwner(
  { categories }: Pick<ProjectionDefinition, 'categories'>,
  stream: string,
): Owner | undefined {
  const owner = ownerOf(stream);
  if (owner === undefined) return undefined;
  if (!categories.includes(owner.category) && owner.category !== SKIPS) return undefined;
  return owner.userId ?? stream;
}
