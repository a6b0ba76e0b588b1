import { type Life, living } from './life.js';

interface Happening {
  at: number;
  readonly order: number;
  readonly life: Life | undefined;
  run: (() => void | Promise<void>) | undefined;
}

const realImmediate = globalThis.setImmediate;

/**
 * `AbortSignal.any`. Node keeps one that is listened to until it is aborted, wherever it was made, and what is killed
 * here is never aborted: with it each seed left a megabyte and a half behind.
 */
function anyOf(signals: Iterable<AbortSignal>): AbortSignal {
  const controller = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason);
    else signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
  }
  return controller.signal;
}

/**
 * The only clock and the only timers of a simulation. What happens is kept in the order of its time; between two
 * happenings all code runs until it waits for the next. A run is therefore a function of what was scheduled.
 */
export class VirtualTime {
  #now = 0;
  #order = 0;
  #leapt = 0;
  readonly #heap: Happening[] = [];
  /** Happenings so far. */
  steps = 0;

  /** @param epoch what the wall clock shows at the beginning, milliseconds since 1970 */
  constructor(private readonly epoch: number) {}

  /** Milliseconds since the beginning; never goes back. */
  get now(): number {
    return this.#now;
  }

  /** The wall clock of a process, milliseconds since 1970. */
  wall(life?: Life): number {
    return Math.floor(this.epoch + this.#now + this.#leapt + (life?.skew ?? 0));
  }

  /** Lets the wall clock of everybody leap ahead, as after a night in which nothing ran. */
  leap(milliseconds: number): void {
    this.#leapt += milliseconds;
  }

  /** @returns takes it back */
  schedule(afterMs: number, run: () => void | Promise<void>, life?: Life): () => void {
    const happening: Happening = {
      at: this.#now + Math.max(0, afterMs),
      order: this.#order++,
      life,
      run,
    };
    this.#push(happening);
    return () => {
      happening.run = undefined;
    };
  }

  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.schedule(milliseconds, resolve);
    });
  }

  /** Lets the next thing happen, and all that follows at once. False where nothing is left. */
  async step(): Promise<boolean> {
    const next = this.#pop();
    if (next === undefined) return false;
    const { life, run } = next;
    if (run === undefined || life?.alive === false) return true;
    if (life !== undefined && life.stoppedUntil > next.at) {
      next.at = life.stoppedUntil;
      this.#push(next);
      return true;
    }
    this.#now = Math.max(this.#now, next.at);
    this.steps++;
    const done = life === undefined ? run() : living.run(life, run);
    if (done !== undefined) await done;
    // All microtasks run before.
    await new Promise((resolve) => realImmediate(resolve));
    return true;
  }

  /**
   * Puts itself in the place of the global timers, clocks and draws.
   * @returns puts them back
   */
  install(draw: () => number): () => void {
    const original = {
      setTimeout: globalThis.setTimeout,
      clearTimeout: globalThis.clearTimeout,
      setInterval: globalThis.setInterval,
      clearInterval: globalThis.clearInterval,
    };
    const [dateNow, performanceNow, random, any] = [Date.now, performance.now, Math.random, AbortSignal.any];
    const clear = (timer: unknown) => {
      if (timer instanceof Timer) timer.cancel();
    };
    const timers = {
      setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        new Timer(this.schedule(ms, () => run(...args), living.getStore())),
      clearTimeout: clear,
      setInterval: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
        const life = living.getStore();
        const timer = new Timer(() => undefined);
        const again = () => {
          timer.cancel = this.schedule(
            Math.max(1, ms),
            () => {
              again();
              run(...args);
            },
            life,
          );
        };
        again();
        return timer;
      },
      clearInterval: clear,
    };
    Object.assign(globalThis, timers);
    Date.now = () => this.wall(living.getStore());
    performance.now = () => this.#now;
    Math.random = draw;
    AbortSignal.any = anyOf;
    return () => {
      Object.assign(globalThis, original);
      Date.now = dateNow;
      performance.now = performanceNow;
      Math.random = random;
      AbortSignal.any = any;
    };
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    heap.push(happening);
    for (let index = heap.length - 1; index > 0; ) {
      const parent = (index - 1) >> 1;
      const [here, above] = [heap[index], heap[parent]];
      if (here === undefined || above === undefined || !isBefore(here, above)) return;
      heap[index] = above;
      heap[parent] = here;
      index = parent;
    }
  }

  #pop(): Happening | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let index = 0; ; ) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        const [one, other] = [heap[child], heap[least]];
        if (one !== undefined && other !== undefined && isBefore(one, other)) least = child;
      }
      if (least === index) return first;
      const [here, below] = [heap[index], heap[least]];
      if (here === undefined || below === undefined) return first;
      heap[index] = below;
      heap[least] = here;
      index = least;
    }
  }
}

const isBefore = (one: Happening, other: Happening): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);

/** What `setTimeout` gives. */
class Timer {
  constructor(public cancel: () => void) {}
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
}
