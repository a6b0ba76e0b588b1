import { v5 as uuidv5 } from 'uuid';

declare const brand: unique symbol;
/** Tells ids apart for the compiler, and is never there at run time. An interface, so that declarations can name it. */
export interface IdBrand<Name extends string> {
  readonly [brand]: Name;
}
type Branded<Name extends string> = string & IdBrand<Name>;

/** Pseudonym of a person, unique over all tenants: `TENANT_` and 26 characters of Crockford base 32 (128 random bits). */
export type UserId = Branded<'UserId'>;
/** A household or an organisation: a lower-case letter, then up to 19 letters and digits. */
export type TenantId = Branded<'TenantId'>;
/** A decision's id. A tip is called by the id of the decision that proposed it. */
export type DecisionId = Branded<'DecisionId'>;
/** UUID of a command. The same id again is the same command. */
export type CommandId = Branded<'CommandId'>;

export const USER_ID = /^[a-z][a-z0-9]{0,19}_[0-9a-hjkmnp-tv-z]{26}$/;
export const TENANT_ID = /^[a-z][a-z0-9]{0,19}$/;
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** `provider:kind:id`: where a content lives. The character set leaves no room for a sentence. */
export const CONTENT_REF = /^[a-z][a-z0-9]{0,31}:[a-z][a-z0-9]{0,31}:[A-Za-z0-9_-]{1,64}$/;

export const isUserId = (text: string): text is UserId => USER_ID.test(text);
export const isTenantId = (text: string): text is TenantId => TENANT_ID.test(text);
export const isDecisionId = (text: string): text is DecisionId => UUID.test(text);
export const isCommandId = (text: string): text is CommandId => UUID.test(text);

/** @throws RangeError when `text` has not the form of a pseudonym. */
export function userId(text: string): UserId {
  if (!isUserId(text)) throw new RangeError(`not a user id: ${JSON.stringify(text)}; expected TENANT_RANDOM`);
  return text;
}

/** @throws RangeError when `text` is not a tenant's name. */
export function tenantId(text: string): TenantId {
  if (!isTenantId(text)) {
    throw new RangeError(`not a tenant id: ${JSON.stringify(text)}; expected a letter and up to 19 a-z, 0-9`);
  }
  return text;
}

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';

/** Makes a pseudonym out of 16 random bytes (given, so that this stays pure). */
export function newUserId(tenant: TenantId, random: Uint8Array): UserId {
  if (random.length !== 16) throw new RangeError(`a pseudonym takes 16 random bytes, got ${random.length}`);
  let bits = 0n;
  for (const byte of random) bits = (bits << 8n) | BigInt(byte);
  let text = '';
  for (let digit = 0; digit < 26; digit++) {
    text = CROCKFORD.charAt(Number(bits & 31n)) + text;
    bits >>= 5n;
  }
  return userId(`${tenant}_${text}`);
}

/** The tenant that a pseudonym was made for. */
export function tenantOf(user: UserId): TenantId {
  return tenantId(user.slice(0, user.indexOf('_')));
}

// Namespaces of the derived ids (RFC 9562, version 5). Any other value here would give every recorded id
// another name, so they never change.
const NAMESPACE = {
  signalCommand: '5f3c2c1e-6c0f-5b1e-9d53-3f2a6f0b7a01',
  event: '5f3c2c1e-6c0f-5b1e-9d53-3f2a6f0b7a02',
  decision: '5f3c2c1e-6c0f-5b1e-9d53-3f2a6f0b7a03',
  command: '5f3c2c1e-6c0f-5b1e-9d53-3f2a6f0b7a04',
} as const;

/** The command id of a signal: the same producer's key of the same person is the same command. */
export function signalCommandId(user: UserId, producer: string, idempotencyKey: string): CommandId {
  return uuidv5(`${user}\n${producer}\n${idempotencyKey}`, NAMESPACE.signalCommand) as CommandId;
}

/**
 * The id of the event at `index` (from 0) among those that a command gave. `decided` is what they all say: EventStoreDB
 * takes an append of ids that it has there already as done, so what was decided otherwise needs other ids.
 */
export function eventIdOf(command: CommandId, index: number, decided: string): string {
  return uuidv5(`${command}\n${index}\n${decided}`, NAMESPACE.event);
}

/** The decision's id that a trigger (`kind` as in TriggerKind, `id` of what triggered) stands for. */
export function decisionIdOf(user: UserId, kind: string, triggerId: string): DecisionId {
  return uuidv5(`${user}\n${kind}\n${triggerId}`, NAMESPACE.decision) as DecisionId;
}

/** The id of the command that ends a decision, whatever its end: the first one that is recorded wins. */
export function recordCommandIdOf(decision: string): CommandId {
  return derivedCommandId('record-decision', decision);
}

/** The id of a command that follows from something that has an id of its own: `name` says what it does to `subject`. */
export function derivedCommandId(name: string, subject: string): CommandId {
  return uuidv5(`${name}\n${subject}`, NAMESPACE.command) as CommandId;
}
