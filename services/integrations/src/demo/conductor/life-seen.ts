import { type DecisionRecord, EVENTS, epochMs, type RecordedEvent, TaskState } from '@oo/contracts';
import { MINUTE_MS } from '../person/calendar.js';

/** How long after its time a proposed tip's outcome is closed at the latest: time for an answer from an offline page. */
const GRACE_MS = 10 * MINUTE_MS;

/** A tip that was proposed. Times are milliseconds since 1970. */
export interface ProposedTip {
  readonly tipId: string;
  readonly ref: string;
  readonly proposedAt: number;
  readonly holdsUntil: number;
}

/** A tip that the person marked done. */
export interface CompletedTip {
  readonly ref: string;
  readonly occurredAt: string;
}

/** A moment at which something falls due by itself, milliseconds since 1970. */
export interface Due {
  readonly at: number;
  /** An outcome's time is over then; otherwise only the recommender wants to be asked. */
  readonly deadline: boolean;
}

/**
 * What the conductor of a demo knows of the person's past, folded from their events in order: which tip is active, at
 * which moments something falls due without a signal, and which tasks are over.
 */
export class LifeSeen {
  readonly #proposed: ProposedTip[] = [];
  readonly #completed: CompletedTip[] = [];
  readonly #shown = new Set<string>();
  readonly #deadlines = new Map<string, number>();
  readonly #refs = new Map<string, string>();
  #snoozes: number[] = [];
  #moment: number | undefined;
  #active: ProposedTip | undefined;
  readonly #finished = new Set<string>();
  #signals = 0;
  #lastRecordedAt = 0;

  fold(event: RecordedEvent): void {
    this.#lastRecordedAt = Math.max(this.#lastRecordedAt, epochMs(event.metadata.recordedAt));
    if (EVENTS[event.type].category === 'signals') this.#signals++;
    switch (event.type) {
      case 'TaskCompleted':
        this.#finished.add(event.data.ref);
        return;
      case 'TaskObserved':
        if (event.data.state === TaskState.TASK_STATE_GONE) this.#finished.add(event.data.ref);
        return;
      case 'TipProposed':
        this.#decided(event.data.decision, GRACE_MS);
        this.#propose(event.data.decision);
        return;
      case 'TipWithheld':
        this.#decided(event.data.decision, 0);
        return;
      case 'TipShown':
        this.#shown.add(event.data.tipId);
        return;
      case 'TipSnoozed':
        if (event.data.until !== undefined) this.#snoozes.push(epochMs(event.data.until));
        this.#end(event.data.tipId);
        return;
      case 'TipCompleted': {
        const ref = this.#refs.get(event.data.tipId);
        if (ref !== undefined) this.#completed.push({ ref, occurredAt: event.metadata.occurredAt });
        this.#end(event.data.tipId);
        return;
      }
      case 'TipAccepted':
      case 'TipDismissed':
      case 'TipExpired':
        this.#end(event.data.tipId);
        return;
      case 'DecisionOutcomeClosed':
        this.#deadlines.delete(event.data.decisionId);
        return;
      default:
        return;
    }
  }

  get active(): ProposedTip | undefined {
    return this.#active;
  }

  /** In the order in which they were proposed. */
  get proposed(): readonly ProposedTip[] {
    return this.#proposed;
  }

  get completed(): readonly CompletedTip[] {
    return this.#completed;
  }

  /** How many signals there are. */
  get signals(): number {
    return this.#signals;
  }

  /** References of the tasks that are done or gone. */
  get finished(): ReadonlySet<string> {
    return this.#finished;
  }

  /** Platform time of the newest event, milliseconds since 1970; 0 before the first. */
  get lastRecordedAt(): number {
    return this.#lastRecordedAt;
  }

  wasShown(tipId: string): boolean {
    return this.#shown.has(tipId);
  }

  /** The first moment later than `now` (milliseconds since 1970) at which something falls due. */
  nextDue(now: number): Due | undefined {
    const deadlines = [...this.#deadlines.values()];
    const moments = this.#moment === undefined ? this.#snoozes : [...this.#snoozes, this.#moment];
    const at = Math.min(...[...deadlines, ...moments].filter((ms) => ms > now));
    return at === Number.POSITIVE_INFINITY ? undefined : { at, deadline: deadlines.includes(at) };
  }

  #decided(decision: DecisionRecord | undefined, grace: number): void {
    if (decision === undefined) return;
    // Each decision sets the moment anew.
    this.#moment = decision.reconsiderAt === undefined ? undefined : epochMs(decision.reconsiderAt);
    this.#snoozes = this.#snoozes.filter((until) => until > epochMs(decision.decidedAt ?? ''));
    if (decision.unavailable.length === 0) {
      this.#deadlines.set(decision.decisionId, epochMs(decision.holdsUntil ?? '') + grace);
    }
  }

  #propose(decision: DecisionRecord | undefined): void {
    if (decision === undefined) return;
    this.#active = {
      tipId: decision.decisionId,
      ref: decision.choice,
      proposedAt: epochMs(decision.decidedAt ?? ''),
      holdsUntil: epochMs(decision.holdsUntil ?? ''),
    };
    this.#proposed.push(this.#active);
    this.#refs.set(decision.decisionId, decision.choice);
  }

  #end(tipId: string): void {
    if (this.#active?.tipId === tipId) this.#active = undefined;
  }
}
