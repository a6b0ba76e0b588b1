import { hash } from 'node:crypto';

type Path = readonly (string | number)[];

/**
 * Random numbers that are functions of a seed and a path, with no state between them: what is drawn for one day
 * is the same whatever was drawn before, so any stretch of a life can be made alone.
 */
export interface Draws {
  /** Uniform in [0, 1). */
  unit(...path: Path): number;
  /** Uniform in [low, high). */
  between(low: number, high: number, ...path: Path): number;
  /** A whole number, uniform in low, …, high. */
  whole(low: number, high: number, ...path: Path): number;
  /** Bell-shaped around `middle` and never further from it than `reach`. */
  around(middle: number, reach: number, ...path: Path): number;
  /** True with probability `p`. */
  chance(p: number, ...path: Path): boolean;
  pick<Item>(items: readonly [Item, ...Item[]], ...path: Path): Item;
}

export function drawsOf(seed: string): Draws {
  const unit = (...path: Path): number => {
    const key = JSON.stringify([seed, ...path]);
    // 48 bits: exact in a double.
    return hash('sha256', key, 'buffer').readUIntBE(0, 6) / 2 ** 48;
  };
  const between = (low: number, high: number, ...path: Path) => low + (high - low) * unit(...path);
  return {
    unit,
    between,
    whole: (low, high, ...path) => Math.floor(between(low, high + 1, ...path)),
    around(middle, reach, ...path) {
      const sum = unit(...path, 0) + unit(...path, 1) + unit(...path, 2);
      return middle + reach * ((2 * sum) / 3 - 1);
    },
    chance: (p, ...path) => unit(...path) < p,
    pick(items, ...path) {
      return items[Math.floor(unit(...path) * items.length)] ?? items[0];
    },
  };
}
