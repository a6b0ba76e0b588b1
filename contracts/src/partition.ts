import { createHash } from 'node:crypto';
import type { UserId } from './ids.js';

/** How many partitions there are. Workers own sets of them; the number itself never changes. */
export const PARTITIONS = 64;

/** Partition of a person: the first four bytes of SHA-256 of the pseudonym, big-endian, modulo {@link PARTITIONS}. */
export function partitionOf(user: UserId): number {
  const known = partitions.get(user);
  if (known !== undefined) return known;
  const partition = createHash('sha256').update(user, 'utf8').digest().readUInt32BE(0) % PARTITIONS;
  if (partitions.size >= MOST) partitions.clear();
  partitions.set(user, partition);
  return partition;
}

/** A digest costs as much as everything else that is done to relay an event, and people have many events each. */
const partitions = new Map<UserId, number>();
const MOST = 100_000;
