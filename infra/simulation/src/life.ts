import { AsyncLocalStorage } from 'node:async_hooks';

/** Ends what still waits inside a process that was killed; nobody hears of it. */
export class Killed extends Error {}

/**
 * One incarnation of a process. When it is killed its timers no longer fire and its calls are never answered, so
 * that none of its code runs any further: what it was waiting for is where it died.
 */
export class Life {
  #alive = true;
  /** Rejects when it is killed. */
  readonly death: Promise<never>;
  #die: (error: Killed) => void = () => undefined;
  /** A process that is stopped (SIGSTOP, a paused machine) until this time does nothing before it. */
  stoppedUntil = 0;
  /** How far its wall clock is ahead, milliseconds. */
  skew = 0;

  /** @param isMortal whether a call of it may be its end */
  constructor(
    readonly name: string,
    readonly isMortal = true,
  ) {
    this.death = new Promise<never>((_, reject) => {
      this.#die = reject;
    });
    this.death.catch(() => undefined);
  }

  get alive(): boolean {
    return this.#alive;
  }

  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#die(new Killed(`${this.name} was killed`));
  }
}

/** Whose code runs. */
export const living = new AsyncLocalStorage<Life>();
