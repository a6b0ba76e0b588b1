import {
  type CommandOf,
  ConsentScope,
  type DomainEvent,
  type PreferencesChanged,
  problem,
} from '@oo/contracts';
import { type Decider, type Decision, fromTheFuture } from '@oo/event-sourcing/pure';

export type ProfileEvent = DomainEvent<
  'UserRegistered' | 'PreferencesChanged' | 'ConsentGranted' | 'ConsentWithdrawn' | 'UserErased'
>;

type ProfileCommandName = 'RegisterUser' | 'ChangePreferences' | 'GrantConsent' | 'WithdrawConsent';
export type ProfileCommand = {
  [Name in ProfileCommandName]: { readonly type: Name; readonly command: CommandOf<Name> };
}[ProfileCommandName];

/** What a person has settled about themselves. */
export interface Profile {
  readonly standing: 'unknown' | 'registered' | 'erased';
  /** Minutes east of UTC at sign-up. */
  readonly utcOffsetMinutes: number;
  readonly preferences: PreferencesChanged;
  /** Consents that stand, and the version of the words that were agreed to. */
  readonly consents: ReadonlyMap<ConsentScope, string>;
}

/** Quiet from 22:00 to 07:00, three tips a day. */
export const DEFAULT_PREFERENCES: PreferencesChanged = {
  quietFromMinute: 22 * 60,
  quietUntilMinute: 7 * 60,
  dailyBudget: 3,
};

/** Whether oO may read signals and show tips. */
export function mayTip(profile: Profile): boolean {
  return profile.standing === 'registered' && profile.consents.has(ConsentScope.CONSENT_SCOPE_TIPS);
}

export const profileDecider: Decider<Profile, ProfileCommand, ProfileEvent> = {
  evolves: ['UserRegistered', 'PreferencesChanged', 'ConsentGranted', 'ConsentWithdrawn', 'UserErased'],
  initialState: () => ({
    standing: 'unknown',
    utcOffsetMinutes: 0,
    preferences: DEFAULT_PREFERENCES,
    consents: new Map(),
  }),
  decide(command, profile): Decision<ProfileEvent> {
    const future = fromTheFuture(command.command.context);
    if (future !== undefined) return { problem: future };
    if (profile.standing === 'erased') {
      return { problem: problem('unknown-user', 'This person has left.') };
    }
    if (profile.standing === 'unknown' && command.type !== 'RegisterUser') {
      return { problem: problem('unknown-user', 'Nobody is registered under this id. Register first.') };
    }
    return { events: eventsOf(command, profile) };
  },
  evolve(profile, event): Profile {
    switch (event.type) {
      case 'UserRegistered':
        return { ...profile, standing: 'registered', utcOffsetMinutes: event.data.utcOffsetMinutes };
      case 'PreferencesChanged':
        return { ...profile, preferences: event.data };
      case 'ConsentGranted':
        return {
          ...profile,
          consents: new Map([...profile.consents, [event.data.scope, event.data.termsVersion]]),
        };
      case 'ConsentWithdrawn':
        return {
          ...profile,
          consents: new Map([...profile.consents].filter(([scope]) => scope !== event.data.scope)),
        };
      case 'UserErased':
        return { ...profile, standing: 'erased', consents: new Map() };
    }
  },
};

/** What is so already happens no second time. */
function eventsOf(command: ProfileCommand, profile: Profile): ProfileEvent[] {
  switch (command.type) {
    case 'RegisterUser': {
      const { utcOffsetMinutes } = command.command;
      return profile.standing === 'registered'
        ? []
        : [{ type: 'UserRegistered', data: { utcOffsetMinutes } }];
    }
    case 'ChangePreferences': {
      const data = command.command.preferences;
      return samePreferences(profile.preferences, data) ? [] : [{ type: 'PreferencesChanged', data }];
    }
    case 'GrantConsent': {
      const { scope, termsVersion } = command.command;
      return profile.consents.get(scope) === termsVersion
        ? []
        : [{ type: 'ConsentGranted', data: { scope, termsVersion } }];
    }
    case 'WithdrawConsent': {
      const { scope } = command.command;
      return profile.consents.has(scope) ? [{ type: 'ConsentWithdrawn', data: { scope } }] : [];
    }
  }
}

function samePreferences(a: PreferencesChanged, b: PreferencesChanged): boolean {
  return (
    a.quietFromMinute === b.quietFromMinute &&
    a.quietUntilMinute === b.quietUntilMinute &&
    a.dailyBudget === b.dailyBudget
  );
}
