import { expect, it } from 'vitest';
import { ALL_PARTITIONS, positionOf } from './partitions.js';

it('stands where the last of its partitions does', () => {
  const checkpoints = [
    { partitions: [...ALL_PARTITIONS], position: 10n },
    { partitions: [0, 1], position: 30n },
    { partitions: [2], position: 5n },
  ];
  expect(positionOf(checkpoints, new Set([0]))).toBe(30n);
  expect(positionOf(checkpoints, new Set([0, 1, 2]))).toBe(10n);
  expect(positionOf(checkpoints, ALL_PARTITIONS)).toBe(10n);
});

it('stands nowhere while a partition has been handled by nobody', () => {
  expect(positionOf([{ partitions: [0], position: 30n }], new Set([0, 1]))).toBe(-1n);
  expect(positionOf([], ALL_PARTITIONS)).toBe(-1n);
});
