/** Wakes one who waits. A ring while nobody waits ends the next wait at once. */
export class Doorbell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Until the bell rings or the time is over, at the most an hour. @throws the signal's reason when it aborts */
  async wait(milliseconds: number, stopped: AbortSignal): Promise<void> {
    if (!this.#rung && !stopped.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(Math.max(0, milliseconds), 3_600_000));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
        stopped.addEventListener('abort', this.#wake, { once: true });
      });
      if (this.#wake !== undefined) stopped.removeEventListener('abort', this.#wake);
      this.#wake = undefined;
    }
    this.#rung = false;
    stopped.throwIfAborted();
  }
}
