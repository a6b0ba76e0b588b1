import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, digestOf } from './canonical.js';
import { metadataJson, readEnvelope, readMetadata } from './envelope.js';
import { EVENTS, EventUnreadable, readEvent } from './events.js';
import {
  decisionIdOf,
  derivedCommandId,
  eventIdOf,
  isCommandId,
  isUserId,
  newUserId,
  signalCommandId,
  tenantId,
  tenantOf,
  userId,
} from './ids.js';
import type { Instant } from './instants.js';
import { PARTITIONS, partitionOf } from './partition.js';
import { invalidInput, ProblemError, problem } from './problems.js';
import { edge } from './schemas.js';
import { ownerOf, PERSON_CATEGORIES, SHARED_STREAMS, streamOf, streamPrefixes } from './streams.js';
import {
  COMMANDS,
  type CommandName,
  changedSubject,
  commandPattern,
  commandSubject,
  EVENTS_SUBJECTS,
  eventFilter,
  eventSubject,
  PROPOSALS_SUBJECTS,
  proposalSubject,
} from './subjects.js';

const anyTenant = fc.stringMatching(/^[a-z][a-z0-9]{0,19}$/).map(tenantId);
const anyUser = fc
  .tuple(anyTenant, fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map(([tenant, random]) => newUserId(tenant, random));
const USER = newUserId(tenantId('home'), new Uint8Array(16));

/** NATS: `*` is one token, `>` the rest. */
function matches(pattern: string, subject: string): boolean {
  const [wanted, given] = [pattern.split('.'), subject.split('.')];
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return given.length > index;
    if (given[index] === undefined || (token !== '*' && token !== given[index])) return false;
  }
  return wanted.length === given.length;
}

describe('a pseudonym', () => {
  it('tells its tenant, and nothing else', () => {
    fc.assert(
      fc.property(anyTenant, fc.uint8Array({ minLength: 16, maxLength: 16 }), (tenant, random) => {
        const user = newUserId(tenant, random);
        expect(isUserId(user)).toBe(true);
        expect(tenantOf(user)).toBe(tenant);
        expect(partitionOf(user)).toBeGreaterThanOrEqual(0);
        expect(partitionOf(user)).toBeLessThan(PARTITIONS);
      }),
    );
  });
  it('keeps every random bit', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (a, b) => {
          const same = Buffer.from(a).equals(Buffer.from(b));
          expect(newUserId(tenantId('home'), a) === newUserId(tenantId('home'), b)).toBe(same);
        },
      ),
    );
  });
  it.each([
    '',
    'home',
    'home_',
    'Home_00000000000000000000000000',
    `home_${'0'.repeat(25)}`,
    `home_${'i'.repeat(26)}`,
  ])('is not %j', (text) => expect(() => userId(text)).toThrow('expected TENANT_RANDOM'));
  it('takes 16 bytes', () => expect(() => newUserId(tenantId('home'), new Uint8Array(15))).toThrow('got 15'));
});

describe('a derived id', () => {
  it('is the same for the same, and another for anything else', () => {
    const ids = [
      signalCommandId(USER, 'demo', 'k'),
      signalCommandId(USER, 'demo', 'l'),
      signalCommandId(USER, 'dem', 'ok'),
      eventIdOf(signalCommandId(USER, 'demo', 'k'), 0, 'a'),
      eventIdOf(signalCommandId(USER, 'demo', 'k'), 0, 'b'),
      eventIdOf(signalCommandId(USER, 'demo', 'k'), 1, 'a'),
      decisionIdOf(USER, 'TRIGGER_KIND_SIGNAL', 'x'),
      decisionIdOf(USER, 'TRIGGER_KIND_MOMENT', 'x'),
      derivedCommandId('close-decision', 'x'),
      derivedCommandId('complete-tip', 'x'),
    ];
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every(isCommandId)).toBe(true);
    expect(signalCommandId(USER, 'demo', 'k')).toBe(ids[0]);
  });
});

describe('a stream', () => {
  it('tells whose it is', () => {
    fc.assert(
      fc.property(anyUser, fc.constantFrom(...PERSON_CATEGORIES), (user, category) => {
        expect(ownerOf(streamOf(category, user))).toEqual({ category, userId: user });
      }),
    );
    for (const name of SHARED_STREAMS) expect(ownerOf(name)).toEqual({ category: name });
  });
  it.each([
    '$all',
    '$ce-tips',
    'tips',
    'tips-',
    'tips-nobody',
    `tip-${USER}`,
    `-${USER}`,
    'priors-1',
    `user-${USER}x`,
  ])('%j is not one of ours', (name) => {
    expect(ownerOf(name)).toBeUndefined();
    expect(eventSubject(name, 'TipShown')).toBeUndefined();
  });
  it('is found by its prefix', () => {
    const prefixes = streamPrefixes();
    for (const name of [
      ...PERSON_CATEGORIES.map((category) => streamOf(category, USER)),
      ...SHARED_STREAMS,
    ]) {
      expect(prefixes.filter((prefix) => name.startsWith(prefix))).toHaveLength(1);
    }
    expect(streamPrefixes(['tips'])).toEqual(['tips-']);
  });
});

describe('a subject', () => {
  it('of an event is relayed, filtered by its category and tells partition, tenant and person', () => {
    fc.assert(
      fc.property(anyUser, (user) => {
        for (const category of PERSON_CATEGORIES) {
          const subject = eventSubject(streamOf(category, user), 'TipShown') ?? '';
          expect(subject.split('.')).toEqual([
            'oo',
            'evt',
            String(partitionOf(user)),
            tenantOf(user),
            user,
            category,
            'TipShown',
          ]);
          expect(matches(EVENTS_SUBJECTS, subject)).toBe(true);
          for (const other of PERSON_CATEGORIES) {
            expect(matches(eventFilter(other), subject)).toBe(other === category);
          }
        }
      }),
    );
    const shared = eventSubject('priors', 'PriorPublished') ?? '';
    expect(matches(EVENTS_SUBJECTS, shared) && matches(eventFilter('priors'), shared)).toBe(true);
  });
  it('of a command reaches the handler of that command and no other', () => {
    const names: CommandName[] = Object.values(COMMANDS).flat();
    for (const name of names) {
      for (const other of names) {
        expect(matches(commandPattern(other), commandSubject(name, USER))).toBe(other === name);
      }
    }
  });
  it('of a proposal is kept by the stream of proposals', () => {
    expect(matches(PROPOSALS_SUBJECTS, proposalSubject(USER))).toBe(true);
    expect(matches(EVENTS_SUBJECTS, proposalSubject(USER))).toBe(false);
    expect(changedSubject('current-tip', USER)).toBe(`oo.changed.current-tip.${partitionOf(USER)}.${USER}`);
  });
});

describe('an envelope', () => {
  const command = derivedCommandId('spec', 'envelope');
  const metadata = {
    correlationId: command,
    causationId: command,
    userId: USER,
    tenantId: tenantId('home'),
    schemaVersion: 1,
    producer: 'demo',
    occurredAt: '2026-03-02T08:00:00Z' as Instant,
    recordedAt: '2026-03-02T08:00:01Z' as Instant,
    commandId: command,
  };
  const envelope = {
    id: eventIdOf(command, 0, ''),
    type: 'TipShown',
    stream: streamOf('tips', USER),
    revision: '7',
    position: '18446744073709551615',
    data: { tipId: command },
    metadata: metadataJson(metadata),
  };

  it('is read with its numbers as they are', () => {
    expect(readEnvelope(envelope)).toEqual({
      type: 'TipShown',
      data: { tipId: command, deviceId: '' },
      id: envelope.id,
      stream: envelope.stream,
      revision: 7n,
      position: 18446744073709551615n,
      metadata,
    });
  });
  it('has metadata under the names that EventStoreDB knows', () => {
    expect(metadataJson(metadata)).toMatchObject({ $correlationId: command, $causationId: command });
    expect(readMetadata({ ...metadataJson(metadata), later: true })).toEqual(metadata);
  });
  it.each([
    ['a type that is not known', { ...envelope, type: 'TipEaten' }],
    ['a version that is newer', { ...envelope, metadata: { ...envelope.metadata, schemaVersion: 99 } }],
    ['a payload that does not fit', { ...envelope, data: { tipId: 'x' } }],
  ])('with %s cannot be read', (_, json) => expect(() => readEnvelope(json)).toThrow(EventUnreadable));
  it('with a revision that is no number is malformed', () => {
    expect(() => readEnvelope({ ...envelope, revision: 'x' })).toThrow();
  });
  it('of an older version is lifted', () => {
    expect(EVENTS.TaskObserved.version).toBe(2);
    expect(
      readEvent('TaskObserved', 1, { ref: 'demo:task:1', dueDate: '2026-03-05', urgency: 4 }).data,
    ).toEqual({
      ref: 'demo:task:1',
      state: 'TASK_STATE_OPEN',
      priority: 'PRIORITY_HIGH',
      dueAt: '2026-03-05T23:59:59Z',
    });
  });
});

describe('a problem', () => {
  it('has a code, a status and what to do', () => {
    const document = problem('unknown-tip', 'Load the page again.');
    expect(document).toEqual({
      type: 'urn:oo:problem:unknown-tip',
      title: 'There is no such tip',
      status: 404,
      detail: 'Load the page again.',
      errors: [{ field: 'tipId', message: 'is no tip of this person’s, or an old one' }],
    });
    expect(new ProblemError(document).problem).toBe(document);
  });
  it('says in words what zod says in its own', () => {
    const messages = (input: unknown) =>
      edge.events.MoodReported.safeParse(input).error?.issues.map(({ message }) => message);
    expect(edge.events.HabitChecked.safeParse({}).error?.issues[0]?.message).toBe('is missing');
    expect(messages({ valence: 'good' })).toEqual(['must be a number']);
    expect(messages({ valence: 3 })).toEqual(['must be at most 2']);
  });

  it('has no more errors than somebody reads', () => {
    const unknown = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`field${index}`, 1]));
    const { error } = edge.events.MoodReported.safeParse({ valence: 1, ...unknown });
    const { errors, detail } = invalidInput(error as NonNullable<typeof error>);
    expect(errors).toHaveLength(21);
    expect(errors.at(-1)).toEqual({ field: '(body)', message: 'has 2980 more faults' });
    expect(detail.length).toBeLessThan(2_000);
  });

  it('of an input names every field, also those that are not known', () => {
    const { error } = edge.events.BusyTimeObserved.safeParse({
      ref: 'x',
      startsAt: 'y',
      endsAt: 'z',
      a: 1,
      b: 2,
    });
    const { errors, status } = invalidInput(error ?? expect.fail(), 'data');
    expect(status).toBe(400);
    expect(errors.map(({ field }) => field).sort()).toEqual([
      'data.a',
      'data.b',
      'data.endsAt',
      'data.ref',
      'data.startsAt',
    ]);
    const whole = edge.events.MoodReported.safeParse(4).error ?? expect.fail();
    expect(invalidInput(whole).errors).toMatchObject([{ field: '(body)' }]);
  });
});

describe('canonical JSON', () => {
  it('does not depend on the order of the fields', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(turned)).toBe(canonicalJson(value));
        expect(digestOf(turned)).toBe(digestOf(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
  it('has none of what JSON cannot hold', () => {
    expect(() => canonicalJson(undefined)).toThrow(TypeError);
    expect(() => canonicalJson({ a: Number.NaN })).toThrow();
  });
});
