import type { Life } from './life.js';
import type { Random } from './random.js';
import type { VirtualTime } from './virtual-time.js';

/** How likely each fault is at a call. */
export interface CallFaults {
  /** The process is killed: before it asks, or after what it asked has happened. */
  readonly crash: number;
  /** The request never arrives. */
  readonly lost: number;
  /** What was asked happens, and the reply never arrives. */
  readonly unheard: number;
  /** It takes up to seconds. */
  readonly slow: number;
}

export const NO_FAULTS: CallFaults = { crash: 0, lost: 0, unheard: 0, slow: 0 };

/** What lies between the processes: every wait of theirs for something outside goes through here. */
export class Network {
  faults: CallFaults = NO_FAULTS;
  readonly #cuts = new Map<string, number>();
  readonly #outages = new Map<string, number>();

  /** @param crash what is done to a process that is killed at a call */
  constructor(
    private readonly time: VirtualTime,
    private readonly random: Random,
    private readonly crash: (life: Life) => void,
  ) {}

  /** Nothing passes between a process and a server for so long. */
  cut(process: string, server: string, milliseconds: number): void {
    this.#cuts.set(`${process} ${server}`, this.time.now + milliseconds);
  }

  /** A server answers nobody for so long. */
  outage(server: string, milliseconds: number): void {
    this.#outages.set(server, this.time.now + milliseconds);
  }

  /** Everything passes again. */
  heal(): void {
    this.faults = NO_FAULTS;
    this.#cuts.clear();
    this.#outages.clear();
  }

  passes(process: string, server: string): boolean {
    const until = this.#cuts.get(`${process} ${server}`) ?? 0;
    return until <= this.time.now && this.answers(server);
  }

  answers(server: string): boolean {
    return (this.#outages.get(server) ?? 0) <= this.time.now;
  }

  latency(): number {
    return this.random.chance(this.faults.slow)
      ? this.random.between(20, 2_500)
      : this.random.between(0.1, 2);
  }

  /** How long a caller waits until it gives up. */
  patience(): number {
    return this.random.between(5, 2_000);
  }

  /**
   * Asks a server. @param effect what happens there, at one moment
   * @param down the error of a caller who hears nothing
   */
  reach<T>(life: Life, server: string, effect: () => T, down: (reason: string) => Error): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (!life.alive) return;
      const dies = life.isMortal && this.random.chance(this.faults.crash);
      if (dies && this.random.chance(0.4)) return this.crash(life);
      const unheard = () => {
        this.time.schedule(this.patience(), () => reject(down(`${server} did not answer`)), life);
      };
      if (!this.passes(life.name, server) || this.random.chance(this.faults.lost)) return unheard();
      this.time.schedule(this.latency(), () => {
        if (!this.passes(life.name, server)) return unheard();
        const reply = outcomeOf(effect);
        if (dies) return this.crash(life);
        if (this.random.chance(this.faults.unheard)) return unheard();
        this.time.schedule(
          this.latency(),
          () => {
            if (!this.passes(life.name, server)) return unheard();
            if ('error' in reply) reject(reply.error);
            else resolve(reply.value);
          },
          life,
        );
      });
    });
  }

  /**
   * Asks another process.
   * @param handle what happens there, which may take its time
   * @throws Error where nothing comes back in time
   */
  call<T>(from: Life, to: Life | undefined, handle: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.time.schedule(REQUEST_TIMEOUT_MS, () => reject(new Error('nobody answered in time')), from);
      if (to?.alive !== true || !this.passes(from.name, to.name) || this.random.chance(this.faults.lost))
        return;
      const dies = from.isMortal && this.random.chance(this.faults.crash);
      if (dies && this.random.chance(0.5)) return this.crash(from);
      this.time.schedule(
        this.latency(),
        () => {
          if (dies) this.crash(from);
          const reply = (how: () => void) => {
            if (!to.alive || this.random.chance(this.faults.unheard)) return;
            this.time.schedule(this.latency(), how, from);
          };
          handle().then(
            (value) => reply(() => resolve(value)),
            (error: unknown) => reply(() => reject(error)),
          );
        },
        to,
      );
    });
  }
}

/** How long an answer of another process is waited for. */
const REQUEST_TIMEOUT_MS = 5_000;

function outcomeOf<T>(effect: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: effect() };
  } catch (error) {
    return { error };
  }
}
