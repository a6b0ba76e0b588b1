import { ConsentScope, derivedCommandId, streamOf, type UserId } from '@oo/contracts';
import { type EventStore, parseStored } from '@oo/event-sourcing';
import type { Caller } from '../caller/caller.js';
import type { CommandSender } from '../commands/command-sender.js';

/** Version of the words on the page's first screen, by which somebody allows oO to read signals and show tips. */
export const TERMS_VERSION = 'tips-1';

export interface Standing {
  readonly registered: boolean;
  /** Whether signals may be read and tips shown. */
  readonly consented: boolean;
}

/** What a person has allowed, out of their own stream; it is short, and this is asked once when a page opens. */
export async function standingOf(eventStore: EventStore, user: UserId): Promise<Standing> {
  let standing: Standing = { registered: false, consented: false };
  for await (const page of eventStore.readStream(streamOf('user', user))) {
    for (const stored of page) {
      const event = parseStored(stored);
      if (event.type === 'UserRegistered') standing = { ...standing, registered: true };
      if (event.type === 'ConsentGranted' && event.data.scope === ConsentScope.CONSENT_SCOPE_TIPS) {
        standing = { ...standing, consented: true };
      }
      if (event.type === 'ConsentWithdrawn' && event.data.scope === ConsentScope.CONSENT_SCOPE_TIPS) {
        standing = { ...standing, consented: false };
      }
    }
  }
  return standing;
}

/** Registers whoever is here for the first time. Saying it again changes nothing. */
export async function register(
  commands: CommandSender,
  caller: Caller,
  utcOffsetMinutes: number,
): Promise<void> {
  await commands.send('RegisterUser', caller, {
    commandId: derivedCommandId('register', caller.userId),
    fields: { utcOffsetMinutes },
  });
}

/** Records that somebody agreed to the words of {@link TERMS_VERSION}. @param key the page's own id of this act */
export async function grantConsent(commands: CommandSender, caller: Caller, key: string): Promise<void> {
  await commands.send('GrantConsent', caller, {
    commandId: derivedCommandId('consent', `${caller.userId}\n${key}`),
    fields: { scope: ConsentScope.CONSENT_SCOPE_TIPS, termsVersion: TERMS_VERSION },
  });
}
