import { epochMs, instant } from '@oo/contracts';
import { taskRef } from '../mapper.js';
import { HOUR_MS, localDayOf } from '../person/calendar.js';
import { lifeFrom } from '../person/life.js';
import type { AnswerWord } from '../person/reaction.js';
import type { Happening } from '../records.js';
import { introduce } from './introduction.js';
import { type Act, Plans } from './plans.js';
import type { Progress } from './progress.js';
import { DECIDING, quiet, SHOWING, type Worker } from './quiet.js';
import { LATE_MS, type Stage } from './stage.js';
import { Steering } from './steering.js';

/**
 * The last hour brings no signals at their time: a person's decisions are capped by the hour, and who opens the page
 * first shall find room for one.
 */
const CALM_MS = HOUR_MS;

/**
 * Plays a life up to the present through the public ingress, under a clock that it steers. At each step the clock is
 * put to the next moment at which something happens or falls due, and time goes on only when nothing more follows
 * from it, so that the same seed gives the same history. Ends with no tip active and the clock released.
 */
export class HistoryPlay {
  readonly #steering: Steering;
  readonly #plans: Plans;
  /** Where the platform's clock stands, milliseconds since 1970. */
  #clock = 0;
  /** Happenings before this have been played. */
  #at: number;
  #signals = 0;

  constructor(
    private readonly stage: Stage,
    private readonly progress: Progress,
  ) {
    this.#steering = new Steering(stage.parts.nats);
    this.#plans = new Plans(stage.parts.person);
    this.#at = epochMs(stage.kept.playedUntil);
  }

  async play(): Promise<void> {
    const { stage } = this;
    const { person, feed, user, nats, stopped } = stage.parts;
    const startsAt = epochMs(stage.kept.startsAt);
    this.progress.reached(this.#at, stage.now());
    // Whoever finds signals and no file takes the file for lost.
    await stage.save(this.#at, 'history');
    await feed.sync();
    // After an interruption the clock begins where it was, and the signals since the last save are told again.
    await this.#clockTo(Math.max(this.#at, feed.seen.lastRecordedAt));
    await introduce(nats, user, instant(startsAt), person.utcOffsetMinutes, stopped);
    if (this.#at === startsAt) await stage.importOpenTasks(startsAt);
    await this.#settle(DECIDING);
    await this.#playUntilNow();
    await this.#finish();
  }

  async #playUntilNow(): Promise<void> {
    const { stage } = this;
    const { person, feed, stopped } = stage.parts;
    const happenings = lifeFrom(person, this.#at);
    let happening: Happening = happenings.next().value;
    for (;;) {
      stopped.throwIfAborted();
      const now = stage.now();
      const happensAt = epochMs(happening.at);
      const told = happensAt < now - CALM_MS ? happensAt : Number.POSITIVE_INFINITY;
      const due = feed.seen.nextDue(this.#clock) ?? Number.POSITIVE_INFINITY;
      const act = this.#plans.next();
      const at = Math.min(told, due, act?.at ?? Number.POSITIVE_INFINITY);
      if (at > now) return;
      this.progress.reached(Math.max(at, this.#clock), now);
      await this.#clockTo(at);
      if (due <= at) await this.#settle(DECIDING);
      else if (act !== undefined && act.at <= at) await this.#do(act);
      else {
        await this.#saveByDay(happensAt);
        await this.#sayIfTipped(happening);
        if (await stage.perform(happening)) {
          this.#signals++;
          if (mayDecide(happening)) await this.#settle(DECIDING);
        }
        happening = happenings.next().value;
        this.#at = epochMs(happening.at);
      }
    }
  }

  /**
   * Who does of their own accord what the active tip says, tells the page. Otherwise the signal alone would end the tip
   * and trigger a decision as well, and which comes first would be chance.
   */
  async #sayIfTipped(happening: Happening): Promise<void> {
    const { active } = this.stage.parts.feed.seen;
    if (happening.kind !== 'task-done' || active?.ref !== taskRef(happening.taskId)) return;
    await this.#answer(active.tipId, 'done', epochMs(happening.at));
  }

  async #answer(tipId: string, word: AnswerWord, at: number): Promise<void> {
    const { stage } = this;
    if (!stage.parts.feed.seen.wasShown(tipId)) await stage.aboutTip((ingress) => ingress.showTip(tipId));
    await stage.aboutTip((ingress) => ingress.answerTip(tipId, word, instant(at)));
    await this.#settle(DECIDING);
  }

  async #do(act: Act): Promise<void> {
    const { stage } = this;
    const { seen } = stage.parts.feed;
    this.#plans.done(act);
    if (act.kind === 'keep') {
      const kept = { kind: 'task-done', at: instant(act.at), taskId: act.taskId } as const;
      if (await stage.perform(kept)) await this.#settle(DECIDING);
      return;
    }
    const { tipId } = act.tip;
    if (seen.active?.tipId !== tipId) return;
    if (act.kind === 'answer') await this.#answer(tipId, act.word, act.at);
    else if (!seen.wasShown(tipId)) await stage.aboutTip((ingress) => ingress.showTip(tipId));
  }

  /** Nothing active, the last hour told as what happened meanwhile, and the clock let go. */
  async #finish(): Promise<void> {
    const { stage } = this;
    const now = stage.now();
    await this.#clockTo(now);
    await this.#settle(DECIDING);
    const { active } = stage.parts.feed.seen;
    if (active !== undefined) {
      const wish = this.#plans.wishFor(active);
      // "Done" would be a signal, and that might bring the next tip.
      const word = wish === undefined || wish === 'done' ? 'will-do' : wish;
      await this.#answer(active.tipId, word, now);
    }
    await stage.importHistory(this.#at, now - LATE_MS);
    await this.#settle([...DECIDING, ...SHOWING]);
    await this.#steering.release();
    this.#at = now;
    await stage.save(now, 'live');
    const tips = stage.parts.feed.seen.proposed.length;
    this.progress.finished(`${this.#signals} signals, ${tips} tips`);
  }

  async #clockTo(at: number): Promise<void> {
    this.#clock = Math.max(this.#clock, at);
    await this.#steering.put(instant(this.#clock));
  }

  /** Waits until nothing more follows, and ticks off what turned out to be done; that again may have consequences. */
  async #settle(workers: readonly Worker[]): Promise<void> {
    const { nats, stopped, log } = this.stage.parts;
    const waiting = async (worker: string) => {
      log.info({ worker }, 'waiting');
      await this.#steering.repeat();
    };
    do {
      await quiet(nats, workers, waiting, stopped);
      await this.stage.parts.feed.sync();
    } while ((await this.stage.tickOffCompleted()) > 0);
    this.#plans.follow(this.stage.parts.feed.seen.proposed);
  }

  async #saveByDay(at: number): Promise<void> {
    const day = (ms: number) => localDayOf(ms, this.stage.parts.person.utcOffsetMinutes);
    if (day(at) !== day(epochMs(this.stage.kept.playedUntil))) await this.stage.save(at, 'history');
  }
}

/** Whether the platform may decide something upon a happening. All others are told one after the other. */
function mayDecide(happening: Happening): boolean {
  if (happening.kind === 'appointment-made') return false;
  return happening.kind !== 'context' || !['page-closed', 'device-idle'].includes(happening.context);
}
