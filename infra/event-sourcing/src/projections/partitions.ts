import { isUserId, PARTITIONS, partitionOf } from '@oo/contracts';
import type { Owner } from './projection.js';

/** The partitions of people that a worker has. */
export type PartitionSet = ReadonlySet<number>;

export const ALL_PARTITIONS: PartitionSet = new Set(
  Array.from({ length: PARTITIONS }, (_, number) => number),
);

/** Partition of an owner; what is nobody's goes with partition 0. */
export function partitionOfOwner(owner: Owner): number {
  return isUserId(owner) ? partitionOf(owner) : 0;
}

/** How far a worker with these partitions is. */
export interface Checkpoint {
  readonly partitions: readonly number[];
  readonly position: bigint;
}

/**
 * Up to where all of `wanted` has been handled, given the checkpoints of workers with whatever sets: a partition
 * stands where the furthest of its workers stands, and the whole where its last partition does.
 * @returns -1 where a partition has been handled by nobody yet
 */
export function positionOf(checkpoints: readonly Checkpoint[], wanted: PartitionSet): bigint {
  const furthest = new Map<number, bigint>();
  for (const { partitions, position } of checkpoints) {
    for (const partition of partitions) {
      if (position > (furthest.get(partition) ?? -1n)) furthest.set(partition, position);
    }
  }
  let lowest: bigint | undefined;
  for (const partition of wanted) {
    const position = furthest.get(partition) ?? -1n;
    if (lowest === undefined || position < lowest) lowest = position;
  }
  return lowest ?? -1n;
}
