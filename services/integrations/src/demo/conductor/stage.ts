import type { NatsConnection } from '@nats-io/transport-node';
import { epochMs, type Instant, instant, type UserId } from '@oo/contracts';
import type { Clock } from '@oo/event-sourcing';
import type { Log } from '@oo/service-host';
import { demoMapper, taskIdOf } from '../mapper.js';
import { MINUTE_MS, SECOND_MS } from '../person/calendar.js';
import { life, openTasks } from '../person/life.js';
import { marked } from '../person/marked.js';
import type { Person } from '../person/person.js';
import type { DemoFile, DemoState } from '../provider/demo-file.js';
import type { Ledger } from '../provider/ledger.js';
import type { Happening } from '../records.js';
import type { EventFeed } from './event-feed.js';
import { type Ingress, IngressRefusal, type Told } from './ingress.js';

/** A signal that comes this much after it happened is history: it triggers nothing. The platform's limit is 15 min. */
const LATE_MS = 16 * MINUTE_MS;

/** What a life is played with. */
export interface StageParts {
  readonly nats: NatsConnection;
  readonly user: UserId;
  readonly person: Person;
  readonly ledger: Ledger;
  readonly file: DemoFile;
  readonly ingress: Ingress;
  readonly feed: EventFeed;
  /** The clock on the wall, also while the platform's stands elsewhere. */
  readonly clock: Clock;
  readonly log: Log;
  /** Nothing new begins. */
  readonly stopping: AbortSignal;
  /** What has begun ends here. */
  readonly stopped: AbortSignal;
  /** Put into every text; empty is none. */
  readonly mark: string;
}

/** Where a life is played: what happens, happens at the provider and is told to the ingress. */
export class Stage {
  #completed = 0;

  constructor(
    readonly parts: StageParts,
    private state: Omit<DemoState, 'ledger'>,
  ) {}

  /** Where the life stands that is kept in the file. */
  get kept(): Omit<DemoState, 'ledger'> {
    return this.state;
  }

  /** The wall clock, milliseconds since 1970. */
  now(): number {
    return epochMs(this.parts.clock.now());
  }

  /** @returns undefined where it cannot happen any more, as when the task is done already */
  async perform(happening: Happening): Promise<Told | undefined> {
    const { ledger, ingress, mark } = this.parts;
    const written = mark === '' ? happening : marked(happening, mark);
    if (!ledger.apply(written)) return undefined;
    const signal = demoMapper.signal(written);
    if (signal === undefined) throw new Error(`a ${happening.kind} is no signal`);
    return ingress.postSignal(signal);
  }

  /** Ticks a task off, as somebody did at the provider. @returns false where it is not open */
  async tickOff(taskId: string, at: Instant): Promise<boolean> {
    if ((await this.perform({ kind: 'task-done', at, taskId })) === undefined) return false;
    const { phase, playedUntil } = this.state;
    // The history is saved by its days.
    if (phase === 'live') await this.save(epochMs(playedUntil), phase);
    return true;
  }

  /** Ticks off at the provider what was answered with "done". @returns the signals of it */
  async tickOffCompleted(): Promise<Told[]> {
    const ticked: Told[] = [];
    const { completed } = this.parts.feed.seen;
    while (this.#completed < completed.length) {
      const { ref = '', occurredAt = '' } = completed[this.#completed] ?? {};
      const taskId = taskIdOf(ref);
      // The answer's own time makes the key, so that ticking off again after a crash is the same signal.
      const told = taskId && (await this.perform({ kind: 'task-done', at: occurredAt, taskId }));
      if (told) ticked.push(told);
      this.#completed++;
    }
    return ticked;
  }

  /** Does something about a tip. @returns undefined where that is no longer possible */
  async aboutTip<Answer>(act: (ingress: Ingress) => Promise<Answer>): Promise<Answer | undefined> {
    try {
      return await act(this.parts.ingress);
    } catch (error) {
      const over =
        error instanceof IngressRefusal && ['already-answered', 'unknown-tip'].includes(error.code);
      if (!over) throw error;
      this.parts.log.info({ code: error.code }, 'too late for this tip');
      return undefined;
    }
  }

  /**
   * Sends in what happened between two moments (milliseconds since 1970), as an integration does that was away: late, so
   * that it is folded and triggers nothing. What is too fresh for that is told as if it had happened a little earlier.
   * @param now what the platform's clock shows
   */
  async importHistory(from: number, until: number, now: number): Promise<void> {
    let fresh = now - LATE_MS;
    for (const happening of life(this.parts.person, from, until)) {
      const late = epochMs(happening.at) <= now - LATE_MS;
      // A second apart, in their order, and each with a key of its own.
      if (!late) fresh += SECOND_MS;
      await this.perform(late ? happening : { ...happening, at: instant(fresh) });
    }
  }

  /** Sends in the tasks that are open at a moment, as an integration does at its first connection. */
  async importOpenTasks(at: number): Promise<void> {
    for (const task of openTasks(this.parts.person, at)) {
      await this.perform({ kind: 'task-created', at: task.createdAt, task });
    }
  }

  /** Keeps where the life stands. @param playedUntil milliseconds since 1970 */
  async save(playedUntil: number, phase: DemoState['phase']): Promise<void> {
    const { ledger, file } = this.parts;
    ledger.forget(playedUntil);
    this.state = { ...this.state, phase, playedUntil: instant(playedUntil) };
    await file.write({ ...this.state, ledger: ledger.toJSON() });
  }
}
