import { derivedCommandId, type SharedCommandOf } from '@oo/contracts';
import { specificationOf } from '@oo/event-sourcing';
import { describe, it } from 'vitest';
import { type PolicyEvent, type PriorEvent, policiesDecider, priorsDecider } from './policies.js';

const context = {
  commandId: derivedCommandId('spec', 'policies'),
  userId: '',
  tenantId: '',
  correlationId: derivedCommandId('spec', 'correlation'),
  causationId: derivedCommandId('spec', 'causation'),
  producer: 'gate',
  occurredAt: '2026-03-02T08:00:00Z',
  receivedAt: '2026-03-02T08:00:00Z',
} as const;
const prior = {
  version: 'people.1',
  features: 'v2',
  digest: 'ab'.repeat(32),
  parameters: '{}',
  people: 12,
  outcomes: 340,
};
const publish = (changes: Partial<typeof prior> = {}): SharedCommandOf<'PublishPrior'> => ({
  context,
  prior: { ...prior, ...changes },
});
const published: PriorEvent = { type: 'PriorPublished', data: prior };

const judgement = {
  policy: 'learned',
  policyVersion: 'v1',
  priorVersion: 'people.1',
  passed: true,
  reason: '',
  refused: '',
  estimate: 0.2,
  low: 0.1,
  high: 0.3,
  logged: 0.1,
  decisions: 340,
  people: 12,
  effective: 99,
  margin: 0.05,
};
const judged: PolicyEvent = { type: 'PolicyJudged', data: judgement };

describe('a prior', () => {
  const given = specificationOf(priorsDecider);
  it('is published once under its version', () => {
    given().when(publish()).then(published);
    given(published).when(publish()).thenNothingHappened();
    given(published)
      .when(publish({ version: 'people.2' }))
      .then({ type: 'PriorPublished', data: { ...prior, version: 'people.2' } });
  });
  it('never takes the version of another', () => {
    given(published)
      .when(publish({ digest: 'cd'.repeat(32) }))
      .thenRejected('conflict');
  });
  it('takes nothing from the future', () => {
    const late = { ...publish(), context: { ...context, occurredAt: '2026-03-02T08:05:01Z' } };
    given().when(late).thenRejected('from-the-future');
  });
});

describe('a judgement', () => {
  const given = specificationOf(policiesDecider);
  it('is recorded each time, passed or not', () => {
    given().when({ context, judgement }).then(judged);
    const failed = { ...judgement, passed: false, reason: 'worse' };
    given(judged).when({ context, judgement: failed }).then({ type: 'PolicyJudged', data: failed });
  });
  it('has a reason where it did not pass, and none where it did', () => {
    given()
      .when({ context, judgement: { ...judgement, reason: 'worse' } })
      .thenRejected('conflict');
    given()
      .when({ context, judgement: { ...judgement, passed: false } })
      .thenRejected('conflict');
  });
});
