import { isUserId, type UserId } from './ids.js';

/** Categories of streams that belong to one person each. `skips` has what operators said about a person's events. */
export const PERSON_CATEGORIES = ['user', 'signals', 'tips', 'skips'] as const;
export type PersonCategory = (typeof PERSON_CATEGORIES)[number];
/** Streams of which there is one. */
export const SHARED_STREAMS = ['priors', 'policies', 'erasures'] as const;
export type SharedStream = (typeof SHARED_STREAMS)[number];
export type Category = PersonCategory | SharedStream;

/**
 * Type of the record that the store keeps in the place of a stream that was deleted for good. It comes where events
 * come, with neither payload nor metadata.
 */
export const STREAM_DELETED = '$streamDeleted';

export type StreamOwner =
  | { readonly category: PersonCategory; readonly userId: UserId }
  | { readonly category: SharedStream; readonly userId?: never };

/** `tips-home_…`: the stream of a person in a category. */
export function streamOf(category: PersonCategory, user: UserId): string {
  return `${category}-${user}`;
}

/** Whose stream this is, or undefined where the name is not one of oO's. */
export function ownerOf(stream: string): StreamOwner | undefined {
  const shared = SHARED_STREAMS.find((name) => name === stream);
  if (shared !== undefined) return { category: shared };
  const dash = stream.indexOf('-');
  const category = PERSON_CATEGORIES.find((name) => name === stream.slice(0, dash));
  const user = stream.slice(dash + 1);
  return dash > 0 && category !== undefined && isUserId(user) ? { category, userId: user } : undefined;
}

/** What a subscription to `$all` filters by: the streams of the given categories, all of oO's by default. */
export function streamPrefixes(
  categories: readonly Category[] = [...PERSON_CATEGORIES, ...SHARED_STREAMS],
): string[] {
  return categories.map((category) =>
    PERSON_CATEGORIES.some((name) => name === category) ? `${category}-` : category,
  );
}
