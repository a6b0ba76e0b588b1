import { expect, it } from 'vitest';
import { Doorbell } from './doorbell.js';

const open = () => new AbortController();
const HOUR = 3_600_000;

it('wakes one who waits, and one who comes after the ring, once', async () => {
  const doorbell = new Doorbell();
  const waiting = doorbell.wait(HOUR, open().signal);
  doorbell.ring();
  await waiting;
  doorbell.ring();
  await doorbell.wait(HOUR, open().signal);
  let woken = false;
  const again = doorbell.wait(HOUR, open().signal).then(() => {
    woken = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(woken).toBe(false);
  doorbell.ring();
  await again;
});

it('ends when the time is over', async () => {
  await new Doorbell().wait(5, open().signal);
  await new Doorbell().wait(-5, open().signal);
});

it('ends at a stop, also at one that was before', async () => {
  const stop = open();
  const waiting = new Doorbell().wait(HOUR, stop.signal);
  stop.abort();
  await expect(waiting).rejects.toThrow('aborted');
  await expect(new Doorbell().wait(HOUR, stop.signal)).rejects.toThrow('aborted');
});
