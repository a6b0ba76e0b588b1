import { DAY_MS, localDayOf } from '../person/calendar.js';

const LINE_EVERY_MS = 250;

/** Tells how far the history is: `history 37% Wed 12 Nov 2025, about 9 s left`. */
export class Progress {
  readonly #startedAt: number;
  #toldAt = Number.NEGATIVE_INFINITY;
  #percent = 0;
  #first: number | undefined;

  constructor(
    private readonly from: number,
    private readonly utcOffsetMinutes: number,
    private readonly tell: (line: string) => void,
    /** Milliseconds of a clock that never goes back. */
    private readonly elapsed: () => number,
  ) {
    this.#startedAt = elapsed();
  }

  get percent(): number {
    return this.#percent;
  }

  /** @param at where the history is, of `until`; milliseconds since 1970 */
  reached(at: number, until: number): void {
    const share = until <= this.from ? 1 : Math.min(1, Math.max(0, (at - this.from) / (until - this.from)));
    this.#first ??= share;
    this.#percent = Math.floor(share * 100);
    const now = this.elapsed();
    if (now - this.#toldAt < LINE_EVERY_MS) return;
    this.#toldAt = now;
    this.tell(`history ${this.#percent}% ${dayName(at, this.utcOffsetMinutes)}${this.#left(share, now)}`);
  }

  finished(summary: string): void {
    this.#percent = 100;
    const seconds = ((this.elapsed() - this.#startedAt) / 1000).toFixed(1);
    this.tell(`history 100% ${summary} in ${seconds} s`);
  }

  #left(share: number, now: number): string {
    const played = share - (this.#first ?? share);
    // The first few steps say nothing about the rest.
    if (played < 0.02) return '';
    const seconds = Math.ceil((((now - this.#startedAt) / played) * (1 - share)) / 1000);
    return `, about ${seconds} s left`;
  }
}

const DAY = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
});

function dayName(at: number, utcOffsetMinutes: number): string {
  return DAY.format(localDayOf(at, utcOffsetMinutes) * DAY_MS).replace(',', '');
}
