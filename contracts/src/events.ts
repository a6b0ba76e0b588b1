import type { ZodError } from 'zod';
import {
  BusyTimeObserved,
  ConsentGranted,
  ConsentWithdrawn,
  ContextObserved,
  DecisionOutcomeClosed,
  DecisionVoided,
  HabitChecked,
  MoodReported,
  ParkedEventSkipped,
  PolicyJudged,
  PreferencesChanged,
  PriorPublished,
  TaskCompleted,
  TaskObserved,
  TipAccepted,
  TipCompleted,
  TipDismissed,
  TipExpired,
  TipProposed,
  TipShown,
  TipSnoozed,
  TipWithheld,
  UserErased,
  UserRegistered,
} from './messages.js';
import { recorded } from './schemas.js';
import type { Category } from './streams.js';
import { upcast } from './upcasters.js';

/** Payload of each event type. */
export interface EventPayloads {
  TaskObserved: TaskObserved;
  TaskCompleted: TaskCompleted;
  HabitChecked: HabitChecked;
  BusyTimeObserved: BusyTimeObserved;
  MoodReported: MoodReported;
  ContextObserved: ContextObserved;
  UserRegistered: UserRegistered;
  PreferencesChanged: PreferencesChanged;
  ConsentGranted: ConsentGranted;
  ConsentWithdrawn: ConsentWithdrawn;
  UserErased: UserErased;
  TipProposed: TipProposed;
  TipWithheld: TipWithheld;
  DecisionVoided: DecisionVoided;
  TipShown: TipShown;
  TipAccepted: TipAccepted;
  TipCompleted: TipCompleted;
  TipSnoozed: TipSnoozed;
  TipDismissed: TipDismissed;
  TipExpired: TipExpired;
  DecisionOutcomeClosed: DecisionOutcomeClosed;
  ParkedEventSkipped: ParkedEventSkipped;
  PriorPublished: PriorPublished;
  PolicyJudged: PolicyJudged;
}
export type EventType = keyof EventPayloads;
/** Any event of oO: its type and its payload in the newest version. */
export type DomainEvent<Type extends EventType = EventType> = {
  [T in Type]: { readonly type: T; readonly data: EventPayloads[T] };
}[Type];

interface EventDefinition<Payload> {
  readonly category: Category;
  /** Version that is written now. */
  readonly version: number;
  readonly message: { toJSON(message: Payload): unknown };
}

const v1 = <Payload>(
  category: Category,
  message: { toJSON(message: Payload): unknown },
): EventDefinition<Payload> => ({ category, version: 1, message });

export const EVENTS: { readonly [Type in EventType]: EventDefinition<EventPayloads[Type]> } = {
  TaskObserved: { category: 'signals', version: 2, message: TaskObserved },
  TaskCompleted: v1('signals', TaskCompleted),
  HabitChecked: v1('signals', HabitChecked),
  BusyTimeObserved: v1('signals', BusyTimeObserved),
  MoodReported: v1('signals', MoodReported),
  ContextObserved: v1('signals', ContextObserved),
  UserRegistered: v1('user', UserRegistered),
  PreferencesChanged: v1('user', PreferencesChanged),
  ConsentGranted: v1('user', ConsentGranted),
  ConsentWithdrawn: v1('user', ConsentWithdrawn),
  UserErased: v1('user', UserErased),
  TipProposed: v1('tips', TipProposed),
  TipWithheld: v1('tips', TipWithheld),
  DecisionVoided: v1('tips', DecisionVoided),
  TipShown: v1('tips', TipShown),
  TipAccepted: v1('tips', TipAccepted),
  TipCompleted: v1('tips', TipCompleted),
  TipSnoozed: v1('tips', TipSnoozed),
  TipDismissed: v1('tips', TipDismissed),
  TipExpired: v1('tips', TipExpired),
  DecisionOutcomeClosed: v1('tips', DecisionOutcomeClosed),
  ParkedEventSkipped: v1('skips', ParkedEventSkipped),
  PriorPublished: v1('priors', PriorPublished),
  PolicyJudged: v1('policies', PolicyJudged),
};

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(EVENTS, type);
}

/** The payload as canonical proto3 JSON (defaults left out), ready to be stored. */
export function payloadJson<Type extends EventType>(event: DomainEvent<Type>): unknown {
  const { message } = EVENTS[event.type] as EventDefinition<EventPayloads[Type]>;
  return message.toJSON(event.data as EventPayloads[Type]);
}

/**
 * Reads a recorded payload: upcasts it from `version` and parses it, ignoring fields that it does not know.
 * @throws EventUnreadable when the type or version is unknown or the payload does not fit.
 */
export function readEvent(type: string, version: number, json: unknown): DomainEvent {
  if (!isEventType(type)) throw new EventUnreadable(type, version, 'the type is not known here');
  if (version > EVENTS[type].version) {
    throw new EventUnreadable(type, version, `newest version known here is ${EVENTS[type].version}`);
  }
  const parsed = recorded.events[type].safeParse(upcast(type, version, json));
  if (!parsed.success) throw new EventUnreadable(type, version, reasonOf(parsed.error));
  return { type, data: parsed.data } as DomainEvent;
}

/** In a line, each place with what is wrong there. */
function reasonOf({ issues }: ZodError): string {
  return issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`).join('; ');
}

/** A recorded event that this build cannot read. */
export class EventUnreadable extends Error {
  constructor(
    readonly eventType: string,
    readonly version: number,
    reason: string,
  ) {
    super(`cannot read ${eventType} version ${version}: ${reason}`);
    this.name = 'EventUnreadable';
  }
}
