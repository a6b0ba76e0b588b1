import { describe, expect, it } from 'vitest';
import type { ArrivedEvent } from './history.js';
import { Inbox, runOf } from './inbox.js';
import type { LiveMessage } from './live-feed.js';

const event = (position: bigint): ArrivedEvent => ({
  id: `event-${position}`,
  type: 'TipShown',
  stream: 'tips-x',
  revision: position,
  position,
  data: {},
  metadata: {},
});
const message = (sequence: number, position: bigint, consumer = 'a'): LiveMessage => ({
  consumer,
  sequence,
  position,
  event: event(position),
});

describe('runOf', () => {
  it('trusts what follows without a hole', () => {
    const run = runOf([message(8, 80n), message(9, 90n)], 70n, { consumer: 'a', sequence: 7 });
    expect(run.events.map(({ position }) => position)).toEqual([80n, 90n]);
    expect(run).toMatchObject({ through: 90n, link: { consumer: 'a', sequence: 9 }, rest: [] });
  });

  it('stops at a hole in the sequence', () => {
    const run = runOf([message(8, 80n), message(10, 100n)], 70n, { consumer: 'a', sequence: 7 });
    expect(run).toMatchObject({ through: 80n, rest: [message(10, 100n)] });
  });

  it('does not trust the first message of all, nor the next number of another consumer', () => {
    expect(runOf([message(8, 80n)], 70n, undefined).rest).toHaveLength(1);
    expect(runOf([message(8, 80n, 'b')], 70n, { consumer: 'a', sequence: 7 }).rest).toHaveLength(1);
  });

  it('goes on from a message that the store had already given', () => {
    const run = runOf([message(7, 70n), message(8, 80n)], 70n, undefined);
    expect(run).toMatchObject({ through: 80n, link: { sequence: 8 }, rest: [] });
  });

  it('leaves the past where it is and hands it to the revision guard', () => {
    const run = runOf([message(3, 30n), message(8, 80n)], 70n, { consumer: 'a', sequence: 7 });
    expect(run.events).toHaveLength(1);
    expect(run).toMatchObject({ through: 70n, rest: [message(8, 80n)] });
  });
});

describe('Inbox', () => {
  it('drops the newest when it is full, and so makes a hole that the store fills', async () => {
    const inbox = new Inbox(2);
    for (const sequence of [1, 2, 3]) inbox.push(message(sequence, BigInt(sequence)));
    const taken = await inbox.take(10, 0, new AbortController().signal);
    expect(taken.map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  it('gives nothing once it is told to stop', async () => {
    const stop = new AbortController();
    const taking = new Inbox().take(10, 60_000, stop.signal);
    stop.abort();
    expect(await taking).toEqual([]);
  });
});
