import type { FilterRequest } from '../wire/read-request.js';

/** What a persistent subscription is created with. Names are those of EventStoreDB's stored configuration. */
export interface GroupSettings {
  readonly resolveLinkTos: boolean;
  readonly extraStatistics: boolean;
  readonly messageTimeout: number;
  readonly maxRetryCount: number;
  readonly minCheckPointCount: number;
  readonly maxCheckPointCount: number;
  readonly checkPointAfter: number;
  readonly maxSubscriberCount: number;
  readonly liveBufferSize: number;
  readonly readBatchSize: number;
  readonly historyBufferSize: number;
  readonly namedConsumerStrategy: ConsumerStrategyName;
  /** Where to begin when there is no checkpoint; the first event is the one at this place. */
  readonly startFrom: GroupStart;
}

export type GroupStart =
  | { readonly kind: 'end' }
  /** A revision, or for `$all` a position. */
  | { readonly kind: 'at'; readonly value: number };

export type ConsumerStrategyName = 'RoundRobin' | 'DispatchToSingle' | 'Pinned' | 'PinnedByCorrelation';

export const STRATEGIES: readonly ConsumerStrategyName[] = [
  'RoundRobin',
  'DispatchToSingle',
  'Pinned',
  'PinnedByCorrelation',
];

export interface GroupDefinition {
  /** A stream, or `$all`. */
  readonly stream: string;
  readonly group: string;
  readonly filter: FilterRequest | undefined;
  readonly settings: GroupSettings;
}

export const ALL = '$all';

/** How a place in the source is printed: a revision, or commit and prepare position. */
export function placeText(stream: string, value: number): string {
  return stream === ALL ? `C:${value}/P:${value}` : String(value);
}

export function startText(stream: string, start: GroupStart): string {
  return placeText(stream, start.kind === 'end' ? -1 : start.value);
}

export function parsePlace(text: string): number | undefined {
  const match = /^(?:C:(-?\d+)\/P:-?\d+|(-?\d+))$/.exec(text);
  return match === null ? undefined : Number(match[1] ?? match[2]);
}
