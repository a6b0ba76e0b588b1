import { epochMs, instant } from '@oo/contracts';
import { taskRef } from '../mapper.js';
import { HOUR_MS, localDayOf } from '../person/calendar.js';
import { lifeFrom } from '../person/life.js';
import type { AnswerWord } from '../person/reaction.js';
import type { Happening } from '../records.js';
import { Consequences } from './consequences.js';
import { introduce } from './introduction.js';
import { type Act, Plans } from './plans.js';
import type { Progress } from './progress.js';
import { DECIDING, SHOWING } from './quiet.js';
import type { Stage } from './stage.js';
import type { Steering } from './steering.js';

/**
 * The last hour brings no signals at their time: a person's decisions are capped by the hour, and who opens the page
 * first shall find room for one.
 */
const CALM_MS = HOUR_MS;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * Plays a life up to the present through the public ingress, under a clock that it steers. At each step the clock is
 * put to the next moment at which something happens or falls due, and time goes on only when nothing more follows
 * from it, so that the same seed gives the same history. Ends with no tip active and the clock released.
 */
export class HistoryPlay {
  readonly #plans: Plans;
  readonly #consequences: Consequences;
  /** Where the platform's clock stands, milliseconds since 1970. */
  #clock = 0;
  /** Happenings before this have been played. */
  #at: number;

  constructor(
    private readonly stage: Stage,
    private readonly steering: Steering,
    private readonly progress: Progress,
  ) {
    const { parts } = stage;
    this.#plans = new Plans(parts.person);
    this.#consequences = new Consequences(parts, async (worker) => {
      parts.log.info({ worker }, 'waiting');
      await this.steering.repeat();
    });
    this.#at = epochMs(stage.kept.playedUntil);
  }

  async play(): Promise<void> {
    const { stage } = this;
    const { person, feed, user, nats, stopped } = stage.parts;
    const startsAt = epochMs(stage.kept.startsAt);
    this.progress.reached(this.#at, stage.now());
    // Whoever finds signals and no file takes the file for lost.
    await stage.save(this.#at, 'history');
    // After an interruption the clock begins where it was, and the signals since the last save are told again.
    const stoodAt = this.steering.now === undefined ? 0 : epochMs(this.steering.now);
    await this.#clockTo(Math.max(this.#at, feed.seen.lastRecordedAt, stoodAt));
    await this.steering.repeat();
    await introduce(nats, user, instant(startsAt), person.utcOffsetMinutes, stopped);
    if (this.#at === startsAt) await stage.importOpenTasks(startsAt);
    await this.#consequences.ofAnything();
    await this.#goOn();
    await this.#playUntilNow();
    await this.#finish();
  }

  async #playUntilNow(): Promise<void> {
    const { stage } = this;
    const { person, feed, stopping } = stage.parts;
    const happenings = lifeFrom(person, this.#at);
    let happening: Happening = happenings.next().value;
    for (;;) {
      stopping.throwIfAborted();
      const now = stage.now();
      const happensAt = epochMs(happening.at);
      const due = feed.seen.nextDue(this.#clock);
      const act = this.#plans.next();
      const at = Math.min(happensAt < now - CALM_MS ? happensAt : NEVER, due?.at ?? NEVER, act?.at ?? NEVER);
      if (at > now) return;
      this.progress.reached(Math.max(at, this.#clock), now);
      const falls = due !== undefined && due.at <= at ? due : undefined;
      if (falls !== undefined) await this.#consequences.ofNoted();
      await this.#clockTo(at);
      if (falls !== undefined) await this.#consequences.ofTime(falls.deadline);
      else if (act !== undefined && act.at <= at) await this.#do(act);
      else {
        await this.#saveByDay(happensAt);
        await this.#happens(happening);
        happening = happenings.next().value;
        this.#at = epochMs(happening.at);
      }
      await this.#goOn();
    }
  }

  async #happens(happening: Happening): Promise<void> {
    const { active } = this.stage.parts.feed.seen;
    const ends = happening.kind === 'task-done' || happening.kind === 'task-deleted';
    const tipped = ends && active?.ref === taskRef(happening.taskId) ? active : undefined;
    // Who does of their own accord what the active tip says, tells the page. Otherwise the signal would end the tip and
    // trigger a decision as well, and which comes first would be chance.
    if (tipped !== undefined && happening.kind === 'task-done') {
      await this.#answer(tipped.tipId, 'done', epochMs(happening.at));
      return;
    }
    const told = await this.stage.perform(happening);
    if (told === undefined) return;
    if (!mayDecide(happening)) this.#consequences.noteSignal(told);
    else if (tipped === undefined) await this.#consequences.ofSignal(told);
    else await this.#consequences.ofAnything();
  }

  async #do(act: Act): Promise<void> {
    const { stage } = this;
    const { seen } = stage.parts.feed;
    this.#plans.done(act);
    if (act.kind === 'keep') {
      await this.#happens({ kind: 'task-done', at: instant(act.at), taskId: act.taskId });
      return;
    }
    const { tipId } = act.tip;
    if (seen.active?.tipId !== tipId) return;
    if (act.kind === 'answer') await this.#answer(tipId, act.word, act.at);
    else await this.#show(tipId);
  }

  async #show(tipId: string): Promise<void> {
    const { stage } = this;
    if (stage.parts.feed.seen.wasShown(tipId)) return;
    const revision = await stage.aboutTip((ingress) => ingress.showTip(tipId));
    if (revision !== undefined) this.#consequences.noteTip(revision);
  }

  async #answer(tipId: string, word: AnswerWord, at: number): Promise<void> {
    const { stage } = this;
    await this.#show(tipId);
    const revision = await stage.aboutTip((ingress) => ingress.answerTip(tipId, word, instant(at)));
    if (revision !== undefined) await this.#consequences.ofAnswer(revision);
  }

  /** Nothing active, the last hour told as what happened meanwhile, and the clock let go. */
  async #finish(): Promise<void> {
    const { stage } = this;
    const { feed } = stage.parts;
    const now = stage.now();
    await this.#clockTo(now);
    await this.#consequences.ofAnything();
    const { active } = feed.seen;
    if (active !== undefined) {
      const wish = this.#plans.wishFor(active);
      // "Done" would be a signal, and that might bring the next tip.
      const word = wish === undefined || wish === 'done' ? 'will-do' : wish;
      await this.#answer(active.tipId, word, now);
    }
    await stage.importHistory(this.#at, now, now);
    await this.#consequences.ofAnything([...DECIDING, ...SHOWING]);
    await this.steering.release();
    this.#at = now;
    await stage.save(now, 'live');
    this.progress.finished(`${feed.seen.signals} signals, ${feed.seen.proposed.length} tips`);
  }

  async #clockTo(at: number): Promise<void> {
    this.#clock = Math.max(this.#clock, at);
    await this.steering.put(instant(this.#clock));
  }

  /** Ticks off what turned out to be done, and makes plans about new tips, before time goes on. */
  async #goOn(): Promise<void> {
    const { feed } = this.stage.parts;
    for (;;) {
      await feed.sync();
      const ticked = await this.stage.tickOffCompleted();
      if (ticked.length === 0) break;
      for (const told of ticked) await this.#consequences.ofSignal(told);
    }
    this.#plans.follow(feed.seen.proposed);
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
