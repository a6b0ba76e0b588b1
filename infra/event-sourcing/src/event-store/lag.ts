import type { EventStore } from './event-store.js';

/** What of the store a consumer has not handled. */
export interface Lag {
  /** Exact below {@link LAG_LIMIT}, which stands for that many or more. */
  readonly events: number;
  /** Age of the oldest of them in seconds, by the store's clock; 0 where there is none. */
  readonly seconds: number;
}

/** Beyond this nobody counts: reading them to say how many they are would itself be the load. */
export const LAG_LIMIT = 1_000;

/** @param now milliseconds since 1970 */
export async function lagBehind(store: EventStore, position: bigint, now: number): Promise<Lag> {
  const head = await store.head();
  if (head === undefined || position >= head) return { events: 0, seconds: 0 };
  let [events, seconds] = [0, 0];
  for await (const page of store.readAll(position < 0n ? undefined : position, LAG_LIMIT)) {
    const [oldest] = page;
    if (events === 0 && oldest !== undefined) seconds = Math.max(0, (now - oldest.storedAtMs) / 1000);
    events += page.length;
    if (events >= LAG_LIMIT) break;
  }
  return { events: Math.min(events, LAG_LIMIT), seconds };
}
