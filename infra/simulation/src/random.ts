/** A seeded source of draws (Bob Jenkins' small fast counting generator, 32 bits); the same seed gives the same draws. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(private readonly seed: string) {
    // FNV-1a over the seed, three times with another start.
    const [a, b, c] = [0x811c9dc5, 0x01234567, 0x9e3779b9].map((start) => {
      let hash = start;
      for (let index = 0; index < seed.length; index++) {
        hash = Math.imul(hash ^ seed.charCodeAt(index), 0x01000193);
      }
      return hash >>> 0;
    });
    this.#a = a ?? 0;
    this.#b = b ?? 0;
    this.#c = c ?? 0;
    for (let round = 0; round < 12; round++) this.#next();
  }

  /** Draws of their own, which others do not shift. */
  fork(name: string): Random {
    return new Random(`${this.seed}/${name}`);
  }

  /** In [0, 1). */
  unit(): number {
    return this.#next() / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  /** In [low, high). */
  between(low: number, high: number): number {
    return low + this.unit() * (high - low);
  }

  /** 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.unit() * count);
  }

  /** @throws RangeError for an empty list */
  pick<T>(list: readonly T[]): T {
    const [found] = list.slice(this.below(list.length));
    if (found === undefined) throw new RangeError('nothing to pick from');
    return found;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }

  uuid(): string {
    const hex = Buffer.from(this.bytes(16)).toString('hex');
    return [
      hex.slice(0, 8),
      hex.slice(8, 12),
      `4${hex.slice(13, 16)}`,
      `8${hex.slice(17, 20)}`,
      hex.slice(20, 32),
    ].join('-');
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}
