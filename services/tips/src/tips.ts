import { type CommandReply, isUserId, type UserId } from '@oo/contracts';
import { CommandHandling, type EventStreams, type SnapshotStore, WHOLE_STREAM } from '@oo/event-sourcing';
import { mayTip, type Profile, type ProfileCommand, type ProfileEvent, profileDecider } from '@oo/profile';
import type { RecordDecision, TipsCommand } from './domain/commands.js';
import type { Tip, TipsEvent, TipsState } from './domain/state.js';
import { TIPS_WINDOW, tipsDecider } from './domain/tips.js';
import { SNAPSHOT_EVERY, tipsSnapshots } from './snapshots.js';

/** The tips of everybody, for the handlers and the process managers of this process. */
export class Tips {
  readonly #tips: CommandHandling<TipsState, TipsCommand, TipsEvent>;
  readonly #profiles: CommandHandling<Profile, ProfileCommand, ProfileEvent>;

  /** @param snapshotEvery events between two snapshots of a person's tips */
  constructor(store: EventStreams, snapshots: SnapshotStore, snapshotEvery = SNAPSHOT_EVERY) {
    this.#tips = new CommandHandling(store, 'tips', tipsDecider, {
      window: TIPS_WINDOW,
      snapshots: { ...tipsSnapshots, store: snapshots, every: snapshotEvery },
    });
    this.#profiles = new CommandHandling(store, 'user', profileDecider, { window: WHOLE_STREAM });
  }

  handle(command: TipsCommand): Promise<CommandReply> {
    return this.#tips.handle(command.command.context, command);
  }

  /** Records a decision under the terms that its person has settled. */
  async record(command: Omit<RecordDecision, 'terms'>): Promise<CommandReply> {
    const { userId } = command.context;
    if (!isUserId(userId)) throw new RangeError(`not a user id: ${userId}`);
    // What fails in preparing fails again in handling, and is answered there.
    const prepared = this.#tips.prepare(userId).catch(() => undefined);
    const profile = await this.#profiles.state(userId);
    await prepared;
    const terms = {
      mayTip: mayTip(profile),
      dailyBudget: profile.preferences.dailyBudget,
    };
    return this.handle({ type: 'RecordDecision', command: { ...command, terms } });
  }

  /** The tip that is on a person's page now. */
  async active(user: UserId): Promise<(Tip & { readonly id: string }) | undefined> {
    const { active, tips } = await this.#tips.state(user);
    const tip = active === undefined ? undefined : tips.get(active);
    return active === undefined || tip === undefined ? undefined : { id: active, ...tip };
  }
}

export const TIPS = Symbol('Tips');
