/** A page of a list that runs from the newest back. */
export interface PageRequest {
  /** `next` of the page before; the first page has none. */
  readonly before?: bigint;
  /** Items at the most; cut to {@link MAX_PAGE}. */
  readonly limit: number;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** What `before` has to be for the following page; null behind the last. */
  readonly next: bigint | null;
}

export const MAX_PAGE = 500;

/** Above every position there can be. */
const END = 2n ** 63n - 1n;

/** Reads one item more than asked for, to know whether there is a page behind. */
export async function pageOf<Item extends { readonly position: bigint }>(
  { before = END, limit }: PageRequest,
  read: (range: { before: bigint; count: number }) => Promise<Item[]>,
): Promise<Page<Item>> {
  const count = Math.max(1, Math.min(limit, MAX_PAGE));
  const found = await read({ before, count: count + 1 });
  const items = found.slice(0, count);
  return { items, next: found.length > count ? (items.at(-1)?.position ?? null) : null };
}
