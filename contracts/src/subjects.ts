import { tenantOf, type UserId } from './ids.js';
import { partitionOf } from './partition.js';
import { type Category, ownerOf } from './streams.js';

/** JetStream stream of the relayed events. */
export const EVENTS_STREAM = 'OO_EVENTS';
/** JetStream stream of the recommender's proposals. */
export const PROPOSALS_STREAM = 'OO_PROPOSALS';
/** JetStream stream of the command side's snapshots: a cache. */
export const SNAPSHOTS_STREAM = 'OO_STREAM_SNAPSHOTS';
export const EVENTS_SUBJECTS = 'oo.evt.>';
export const PROPOSALS_SUBJECTS = 'oo.proposal.>';
export const SNAPSHOTS_SUBJECTS = 'oo.snapshot.>';

/** Headers of a relayed event, beside `Nats-Msg-Id`. Both values are decimal numbers. */
export const HEADER_POSITION = 'Oo-Position';
export const HEADER_REVISION = 'Oo-Revision';
/** W3C trace context, in HTTP, in messages of the broker and, under the same name, in an event's metadata. */
export const HEADER_TRACEPARENT = 'traceparent';

/**
 * `oo.evt.PARTITION.TENANT.USER.CATEGORY.TYPE`; for a stream that is nobody's, `oo.evt.all.-.-.CATEGORY.TYPE`.
 * Undefined where the stream is not one of oO's.
 */
export function eventSubject(stream: string, type: string): string | undefined {
  const owner = ownerOf(stream);
  if (owner === undefined) return undefined;
  if (owner.userId === undefined) return `oo.evt.all.-.-.${owner.category}.${type}`;
  return `oo.evt.${personTokens(owner.userId)}.${owner.category}.${type}`;
}

/** Filter for the relayed events of some categories, over all people. */
export function eventFilter(category: Category): string {
  return `oo.evt.*.*.*.${category}.>`;
}

/** `oo.proposal.PARTITION.TENANT.USER` */
export function proposalSubject(user: UserId): string {
  return `oo.proposal.${personTokens(user)}`;
}

/** `oo.snapshot.STREAM`: the last message there is the last snapshot of that stream. */
export function snapshotSubject(stream: string): string {
  return `oo.snapshot.${stream}`;
}

/** Services that take commands, and the names of the commands. */
export const COMMANDS = {
  signals: ['RecordSignal'],
  tips: ['ShowTip', 'AnswerTip', 'CloseDecision'],
  profile: ['RegisterUser', 'ChangePreferences', 'GrantConsent', 'WithdrawConsent'],
  projections: ['SkipParkedEvent'],
} as const;
export type CommandService = keyof typeof COMMANDS;
export type CommandName = (typeof COMMANDS)[CommandService][number];

/** Commands of streams that are nobody's, and who takes them. */
export const SHARED_COMMANDS = { PublishPrior: 'policies', JudgePolicy: 'policies' } as const;
export type SharedCommandName = keyof typeof SHARED_COMMANDS;

/** `oo.cmd.SERVICE.COMMAND.all`: what is sent, and what is listened to. */
export function sharedCommandSubject(command: SharedCommandName): string {
  return `oo.cmd.${SHARED_COMMANDS[command]}.${command}.all`;
}

/** `oo.cmd.SERVICE.COMMAND.PARTITION` */
export function commandSubject(command: CommandName, user: UserId): string {
  return `oo.cmd.${serviceOf(command)}.${command}.${partitionOf(user)}`;
}

/** What a handler of the command listens to. */
export function commandPattern(command: CommandName): string {
  return `oo.cmd.${serviceOf(command)}.${command}.*`;
}

function serviceOf(command: CommandName): CommandService {
  for (const service of Object.keys(COMMANDS) as CommandService[]) {
    if (COMMANDS[service].some((name) => name === command)) return service;
  }
  throw new RangeError(`no service takes ${command}`);
}

/**
 * Request/reply subjects of questions. `history.read` gives recorded events out of the store,
 * `SERVICE.progress` how far a worker is (and waits until it is there), `SERVICE.health` its health.
 */
export const QUERIES = {
  historyRead: 'oo.qry.history.read',
  historyHead: 'oo.qry.history.head',
  candidates: 'oo.qry.integrations.candidates',
  text: 'oo.qry.integrations.text',
  /** `{position, timeoutMs}` → `{position, settled}`: answered once the worker has handled everything up to there and rests. */
  progress: (worker: string) => `oo.qry.progress.${worker}`,
  /** Heard by the process that owns the person's partition, and by no other. */
  recommend: (user: UserId) => `oo.qry.recommender.recommend.${partitionOf(user)}`,
  /** `{userId?}` → who of a partition is parked in the recommender; heard by the process that owns it. */
  parked: (partition: number) => `oo.qry.recommender.parked.${partition}`,
  /** `{userId}`: the recommender folds a parked person anew. Heard by the process that owns their partition. */
  retryParked: (user: UserId) => `oo.qry.recommender.retry-parked.${partitionOf(user)}`,
} as const;

/** A hint, not a fact: a person's row in a read model has changed. */
export function changedSubject(readModel: string, user: UserId): string {
  return `oo.changed.${readModel}.${partitionOf(user)}.${user}`;
}

/** Steers the clock of a demo or a test; heard only by processes started with `OO_CLOCK=steered`. */
export const CLOCK_SUBJECT = 'oo.clock';
/** Whoever steers answers here what they said last, `{now}`, for a process that has just started. */
export const CLOCK_QUERY = 'oo.qry.clock';
/**
 * In the folder of whoever steers: where the clock stands, as RFC 3339; absent while it runs by itself. After the
 * whole system was stopped in a steered past, whoever starts it answers {@link CLOCK_QUERY} from here.
 */
export const CLOCK_FILE = 'clock';

function personTokens(user: UserId): string {
  return `${partitionOf(user)}.${tenantOf(user)}.${user}`;
}
