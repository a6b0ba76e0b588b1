import { epochMs, instant } from '@oo/contracts';
import { DAY_MS } from '../person/calendar.js';
import { lifeFrom } from '../person/life.js';
import type { Happening } from '../records.js';
import type { Doorbell } from './doorbell.js';
import type { Stage } from './stage.js';

/** What happened longer ago than this while nobody looked is not told any more. */
const LONGEST_GAP_MS = 30 * DAY_MS;

/**
 * Goes on with the life as the time goes by: signals alone, since the answers are now the human's. What is answered
 * with "done" is ticked off at the provider.
 * @param pace how many hours of the life pass in an hour; 0 keeps the life still
 */
export async function playLive(stage: Stage, doorbell: Doorbell, pace: number): Promise<never> {
  const { person, feed, stopping } = stage.parts;
  const begun = stage.now();
  const from = epochMs(stage.kept.playedUntil);
  if (pace > 0 && from < begun) await catchUp(stage, from, begun);
  // A life that was played faster than time passes is ahead of it; it goes on from where it was.
  const origin = Math.max(from, begun);
  const inTime = (ms: number) => begun + (ms - origin) / pace;
  const happenings = lifeFrom(person, origin);
  let happening = pace > 0 ? happenings.next().value : undefined;
  for (;;) {
    stopping.throwIfAborted();
    await feed.sync();
    const ticked = await stage.tickOffCompleted();
    if (ticked.length > 0) await stage.save(epochMs(stage.kept.playedUntil), 'live');
    const wait =
      happening === undefined ? Number.POSITIVE_INFINITY : inTime(epochMs(happening.at)) - stage.now();
    if (happening === undefined || wait > 0) {
      await doorbell.wait(wait, stopping);
      continue;
    }
    await stage.perform(pace === 1 ? happening : moved(happening, inTime));
    happening = happenings.next().value;
    await stage.save(epochMs(happening.at), 'live');
  }
}

async function catchUp(stage: Stage, from: number, now: number): Promise<void> {
  await stage.importHistory(Math.max(from, now - LONGEST_GAP_MS), now, now);
  await stage.save(now, 'live');
}

/** A happening with all its times moved. */
export function moved(happening: Happening, to: (ms: number) => number): Happening {
  const at = (text: string) => instant(Math.floor(to(epochMs(text)) / 1000) * 1000);
  switch (happening.kind) {
    case 'task-created':
    case 'task-changed': {
      const { task } = happening;
      const due = task.dueAt === undefined ? {} : { dueAt: at(task.dueAt) };
      return { ...happening, at: at(happening.at), task: { ...task, createdAt: at(task.createdAt), ...due } };
    }
    case 'appointment-made':
    case 'appointment-cancelled': {
      const { appointment } = happening;
      const startsAt = at(appointment.startsAt);
      // Even the fastest life leaves an appointment a second.
      const endsAt = instant(Math.max(epochMs(at(appointment.endsAt)), epochMs(startsAt) + 1000));
      return { ...happening, at: at(happening.at), appointment: { ...appointment, startsAt, endsAt } };
    }
    default:
      return { ...happening, at: at(happening.at) };
  }
}
