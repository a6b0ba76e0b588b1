/** Says when to look again: when something happened, at the latest after a while. */
export class Wakeups {
  /** Something happened while nobody waited. */
  #due = false;
  #resolve: () => void = () => undefined;

  wake(): void {
    this.#due = true;
    this.#resolve();
  }

  /** Resolves at the next wake-up, at once if there was one since the last call, at the latest after `timeoutMs`. */
  async next(timeoutMs: number): Promise<void> {
    if (!this.#due) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#resolve = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#due = false;
  }
}
