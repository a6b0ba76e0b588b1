import { streamOf } from '@oo/contracts';
import type { Told } from './ingress.js';
import { DECIDING, quiet, settled, type Worker } from './quiet.js';
import type { StageParts } from './stage.js';

/** How long the broker may take to bring an event before all workers are asked instead. */
const PROMPT_MS = 250;

/**
 * Waits for all that follows from something that was done. To ask every worker each time would be right and slow, so
 * each method asks those alone that can have something to do, and all where it cannot tell.
 */
export class Consequences {
  /** What has been recorded and has perhaps not come back yet. */
  #noted: (() => boolean)[] = [];

  constructor(
    private readonly parts: StageParts,
    /** Called while a worker lets wait: it may have started anew, and not know the time. */
    private readonly waiting: (worker: string) => Promise<void>,
  ) {}

  /** A signal that triggers nothing: there is no need to wait for it. */
  noteSignal({ eventId, duplicate }: Told): void {
    if (!duplicate) this.#noted.push(() => this.parts.feed.has(eventId));
  }

  /** An event of a tip that triggers nothing. @param revision of the person's tips that has it */
  noteTip(revision: bigint): void {
    const { feed, user } = this.parts;
    this.#noted.push(() => feed.revision(streamOf('tips', user)) >= revision);
  }

  /**
   * Of all that was noted. Signals keep their order by themselves, but a decision that the clock brings about would not
   * wait for what was recorded before.
   */
  async ofNoted(): Promise<void> {
    if (this.#noted.length > 0) await this.#decided();
  }

  /** Of a signal: the recommender has folded it, and decided where that was due. */
  async ofSignal(told: Told): Promise<void> {
    this.noteSignal(told);
    await (told.duplicate ? this.ofAnything() : this.#decided());
  }

  /** Of an answer: it has come back. Nothing is decided upon an answer. */
  async ofAnswer(revision: bigint): Promise<void> {
    this.noteTip(revision);
    if (!(await this.#come())) await this.ofAnything();
  }

  /** Of the clock being put forward. @param deadline whether an outcome's time is over now */
  async ofTime(deadline: boolean): Promise<void> {
    // Where a moment and a deadline fall together, the moment is decided first.
    await this.#decided();
    if (deadline) await this.ofAnything(['deadlines', 'relay', 'recommender']);
  }

  /** Of anything. */
  async ofAnything(workers: readonly Worker[] = DECIDING): Promise<void> {
    const { nats, feed, stopped } = this.parts;
    const head = await quiet(nats, workers, this.waiting, stopped);
    this.#noted = [];
    // The head may be another person's event, which does not come here: then the history says that there is none.
    if (await feed.until(() => feed.position >= head, PROMPT_MS)) return;
    feed.missed();
    await feed.sync();
  }

  async #decided(): Promise<void> {
    const { nats, feed, stopped } = this.parts;
    if (!(await this.#come())) return this.ofAnything();
    this.#noted = [];
    const position = await settled(nats, 'recommender', feed.position, this.waiting, stopped);
    if (!(await feed.until(() => feed.position >= position, PROMPT_MS))) await this.ofAnything();
  }

  #come(): Promise<boolean> {
    const noted = this.#noted;
    return this.parts.feed.until(() => noted.every((come) => come()), PROMPT_MS);
  }
}
