import type { CandidateItem, CandidateList, ListCandidates } from '@oo/contracts';
import { admit } from './connectors/admission.js';
import type { ActiveConnector, Registry } from './connectors/registry.js';
import { askProvider } from './providers/ask-provider.js';

/** As many as a {@link CandidateList} holds. */
const MAX_ITEMS = 1000;

/** Something that an operator should see. It holds names, codes and counts, never a provider's words. */
export type Notice = (event: {
  readonly provider: string;
  readonly reason: string;
  readonly count?: number;
}) => void;

/**
 * All that could be tipped to a person, from every provider at once, ordered by reference so that the same
 * providers' state always gives the same list. A provider that does not answer in its time is named in
 * `unreachable` and holds up no other.
 */
export async function listCandidates(
  registry: Registry,
  query: ListCandidates,
  notice: Notice,
): Promise<CandidateList> {
  const listings = await Promise.all(
    registry.all().map(async (active) => ({
      name: active.connector.manifest.name,
      items: await itemsOf(active, query.userId, notice),
    })),
  );
  const items = new Map<string, CandidateItem>();
  for (const listing of listings) for (const item of listing.items ?? []) items.set(item.ref, item);
  const ordered = [...items.values()].sort((a, b) => (a.ref < b.ref ? -1 : 1));
  return {
    items: ordered.slice(0, MAX_ITEMS),
    unreachable: listings.filter(({ items }) => items === undefined).map(({ name }) => name),
  };
}

async function itemsOf(
  { connector: { manifest, mapper }, address }: ActiveConnector,
  user: string,
  notice: Notice,
): Promise<CandidateItem[] | undefined> {
  const provider = manifest.name;
  const answer = await askProvider(address, manifest.listing, { user }, manifest.timeoutMs);
  if (answer.kind === 'gone') return [];
  if (answer.kind === 'unreachable') {
    notice({ provider, reason: answer.reason });
    return undefined;
  }
  const listing = mapper.listing(answer.json);
  if (listing === undefined) {
    notice({ provider, reason: 'not-its-listing' });
    return undefined;
  }
  const admitted = listing.items.flatMap((item) => admit(manifest, item) ?? []);
  const lost = listing.unreadable + listing.items.length - admitted.length;
  if (lost > 0) notice({ provider, reason: 'unreadable-items', count: lost });
  return admitted;
}
