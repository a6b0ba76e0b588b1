/**
 * Where recently written event ids are, by a 64-bit digest of the id: what lets a retry be recognised without reading
 * the stream. Two tables of a fixed size, of which the older one is dropped when the newer is full, so at least
 * `window` and at most twice as many ids are known, in about 32 bytes each.
 */
export class RecentIds {
  private newer: Table;
  private older: Table;

  constructor(private readonly window: number) {
    this.newer = new Table(window);
    this.older = new Table(16);
  }

  add(low: number, high: number, position: number): void {
    if (this.newer.count >= this.window) {
      this.older = this.newer;
      this.newer = new Table(this.window);
    }
    this.newer.set(low, high, position);
  }

  /** The position of the record that was last written with this digest. */
  find(low: number, high: number): number | undefined {
    return this.newer.get(low, high) ?? this.older.get(low, high);
  }
}

class Table {
  count = 0;
  private readonly mask: number;
  private readonly keys: Uint32Array;
  private readonly positions: Float64Array;

  constructor(capacity: number) {
    let slots = 32;
    while (slots < capacity * 1.5) slots *= 2;
    this.mask = slots - 1;
    this.keys = new Uint32Array(slots * 2);
    this.positions = new Float64Array(slots);
  }

  set(low: number, high: number, position: number): void {
    let slot = low & this.mask;
    while (this.positions[slot] !== 0) {
      if (this.keys[slot * 2] === low && this.keys[slot * 2 + 1] === high) break;
      slot = (slot + 1) & this.mask;
    }
    if (this.positions[slot] === 0) this.count++;
    this.keys[slot * 2] = low;
    this.keys[slot * 2 + 1] = high;
    this.positions[slot] = position;
  }

  get(low: number, high: number): number | undefined {
    let slot = low & this.mask;
    for (;;) {
      const position = this.positions[slot];
      if (position === undefined || position === 0) return undefined;
      if (this.keys[slot * 2] === low && this.keys[slot * 2 + 1] === high) return position;
      slot = (slot + 1) & this.mask;
    }
  }
}
