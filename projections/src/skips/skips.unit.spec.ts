import { instant, newUserId, tenantId } from '@oo/contracts';
import { specificationOf } from '@oo/event-sourcing';
import { describe, it } from 'vitest';
import { uuid } from '../testing/events.js';
import { type SkipParkedEvent, skipsDecider } from './skips.js';

const user = newUserId(tenantId('home'), new Uint8Array(16));
const at = instant(0);
const skipped = {
  projection: 'timeline',
  stream: `tips-${user}`,
  revision: 3n,
  eventType: 'TipShown',
  reason: 'a time before the epoch',
};
const skip = (change: Partial<typeof skipped> = {}): SkipParkedEvent => ({
  context: {
    commandId: uuid('a command'),
    userId: user,
    tenantId: tenantId('home'),
    correlationId: uuid('a command'),
    causationId: uuid('a command'),
    producer: 'oo',
    occurredAt: at,
    receivedAt: at,
  },
  skipped: { ...skipped, ...change },
});
const event = { type: 'ParkedEventSkipped', data: skipped } as const;
const given = specificationOf(skipsDecider);

describe('skipping a parked event', () => {
  it('is recorded with its reason', () => {
    given().when(skip()).then(event);
  });

  it('is recorded once, whatever the reason the second time', () => {
    given(event)
      .when(skip({ reason: 'the same again' }))
      .thenNothingHappened();
  });

  it('of another event or another read model is another', () => {
    const other = { ...skipped, revision: 4n };
    given(event).when(skip(other)).then({ type: 'ParkedEventSkipped', data: other });
    const elsewhere = { ...skipped, projection: 'decisions' };
    given(event).when(skip(elsewhere)).then({ type: 'ParkedEventSkipped', data: elsewhere });
  });

  it('of somebody else is refused', () => {
    const other = newUserId(tenantId('home'), new Uint8Array(16).fill(1));
    given()
      .when(skip({ stream: `tips-${other}` }))
      .thenRejected('invalid-input');
  });
});
