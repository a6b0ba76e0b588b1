import type { EventStore } from '@oo/event-sourcing';
import type { Log } from '@oo/service-host';
import type { Caller } from '../caller/caller.js';
import type { CommandSender } from '../commands/command-sender.js';
import type { CurrentTips } from '../tips/current-tips.js';
import type { Explanations } from '../tips/explanations.js';

/** What the page's procedures work with. */
export interface PageParts {
  readonly commands: CommandSender;
  readonly tips: CurrentTips;
  readonly explanations: Explanations;
  readonly eventStore: EventStore;
  readonly log: Log;
}

export interface PageContext {
  readonly parts: PageParts;
  /** Nobody where the request has no valid session. */
  readonly caller: Caller | undefined;
}
