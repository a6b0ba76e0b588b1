import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as contracts from './index.js';

// contracts/python/tests/test_vectors_unit.py holds Python to the same files.
const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'));

describe('shared vectors', () => {
  it('ids', () => {
    const { users, notUsers, signalCommandIds, eventIds, decisionIds, derivedCommandIds, recordCommandIds } =
      vectors('ids');
    for (const { tenant, random, user } of users) {
      const bytes = Uint8Array.from(Buffer.from(random, 'hex'));
      expect(contracts.newUserId(contracts.tenantId(tenant), bytes)).toBe(user);
      expect(contracts.tenantOf(contracts.userId(user))).toBe(tenant);
    }
    for (const text of notUsers) expect(contracts.isUserId(text), text).toBe(false);
    for (const { user, producer, key, id } of signalCommandIds) {
      expect(contracts.signalCommandId(user, producer, key)).toBe(id);
    }
    for (const { command, index, decided, id } of eventIds) {
      expect(contracts.eventIdOf(command, index, decided)).toBe(id);
    }
    expect(decisionIds).toHaveLength(Object.keys(contracts.TriggerKind).length - 1);
    for (const { user, kind, trigger, id } of decisionIds) {
      expect(contracts.decisionIdOf(user, kind, trigger)).toBe(id);
    }
    for (const { name, subject, id } of derivedCommandIds) {
      expect(contracts.derivedCommandId(name, subject)).toBe(id);
    }
    for (const { decision, id } of recordCommandIds) {
      expect(contracts.recordCommandIdOf(decision)).toBe(id);
    }
  });

  it('partitions', () => {
    for (const { user, partition } of vectors('partitions')) {
      expect(contracts.partitionOf(user)).toBe(partition);
    }
  });

  it('stream owners', () => {
    for (const { stream, owner } of vectors('streams')) {
      expect(contracts.ownerOf(stream) ?? null, stream).toEqual(owner);
    }
  });

  it('subjects', () => {
    const { events, people, fixed } = vectors('subjects');
    for (const { stream, type, subject } of events) {
      expect(contracts.eventSubject(stream, type) ?? null).toBe(subject);
    }
    for (const { user, proposal, changed, recommend, parked, retryParked } of people) {
      expect(contracts.proposalSubject(user)).toBe(proposal);
      expect(contracts.changedSubject('current-tip', user)).toBe(changed);
      expect(contracts.QUERIES.recommend(user)).toBe(recommend);
      expect(contracts.QUERIES.parked(contracts.partitionOf(user))).toBe(parked);
      expect(contracts.QUERIES.retryParked(user)).toBe(retryParked);
    }
    expect({
      eventsStream: contracts.EVENTS_STREAM,
      proposalsStream: contracts.PROPOSALS_STREAM,
      eventsSubjects: contracts.EVENTS_SUBJECTS,
      proposalsSubjects: contracts.PROPOSALS_SUBJECTS,
      headerPosition: contracts.HEADER_POSITION,
      headerRevision: contracts.HEADER_REVISION,
      historyRead: contracts.QUERIES.historyRead,
      historyHead: contracts.QUERIES.historyHead,
      candidates: contracts.QUERIES.candidates,
      progress: contracts.QUERIES.progress('recommender'),
      clock: contracts.CLOCK_SUBJECT,
      clockQuery: contracts.CLOCK_QUERY,
    }).toEqual(fixed);
  });

  it('instants', () => {
    for (const { text, instant, epochMs } of vectors('instants')) {
      expect(contracts.parseInstant(text) ?? null, text).toBe(instant);
      if (instant !== null) expect(contracts.epochMs(instant)).toBe(epochMs);
    }
  });

  it('canonical JSON and digests', () => {
    for (const { value, canonical, digest } of vectors('digests')) {
      expect(contracts.canonicalJson(value)).toBe(canonical);
      expect(contracts.digestOf(value)).toBe(digest);
    }
  });

  it('payloads of every event type', () => {
    const seen = new Set<string>();
    for (const { type, version, json, canonical } of vectors('payloads')) {
      const event = contracts.readEvent(type, version, json);
      expect(contracts.canonicalJson(contracts.payloadJson(event)), type).toBe(canonical);
      seen.add(type);
    }
    expect([...seen].sort()).toEqual(Object.keys(contracts.EVENTS).sort());
  });

  it('upcasts', () => {
    for (const { type, version, json, upcast } of vectors('upcasts')) {
      expect(contracts.upcast(type, version, json)).toEqual(upcast);
    }
  });

  it('envelopes', () => {
    for (const { json, read } of vectors('envelopes')) {
      const event = contracts.readEnvelope(json);
      expect({
        id: event.id,
        type: event.type,
        stream: event.stream,
        revision: String(event.revision),
        position: String(event.position),
        metadata: event.metadata,
        canonical: contracts.canonicalJson(contracts.payloadJson(event)),
      }).toEqual(read);
    }
  });

  it('problem documents', () => {
    const { plain, withField } = vectors('problems');
    const kinds = Object.keys(contracts.PROBLEM_KINDS) as contracts.ProblemKind[];
    expect(kinds.map((kind) => contracts.problem(kind, 'Ask again.'))).toEqual(plain);
    const errors = [{ field: 'data.dueAt', message: 'is no time' }];
    expect(contracts.problem('invalid-input', 'Mend it.', errors)).toEqual(withField);
  });
});
