import { expect, it } from 'vitest';
import { type ConsumerStatus, type PartStatus, type Status, statusText } from './status.js';

const part = (name: string, over: Partial<PartStatus> = {}): PartStatus => ({
  part: name,
  state: 'up',
  ready: true,
  version: '0.1.0',
  pid: 42,
  restarts: 0,
  memoryMiB: 64,
  checks: {},
  ...over,
});
const consumer = (name: string, process: string, over: Partial<ConsumerStatus> = {}): ConsumerStatus => ({
  consumer: name,
  process,
  lag: 0,
  lagSeconds: 0,
  position: '7',
  parked: 0,
  paused: false,
  ...over,
});
const WELL: Status = {
  url: 'http://localhost:4646',
  healthy: true,
  parts: [part('postgres', { version: '18.4' }), part('relay'), part('projections', { restarts: 2 })],
  consumers: [
    consumer('relay', 'relay'),
    consumer('timeline', 'projections', { lag: 3, lagSeconds: 1.25, parked: 1 }),
    consumer('decisions', 'projections', { paused: true }),
  ],
  totals: { commands: 5, conflicts: 1, retries: 2, dedupes: 3, refills: 4, parked: 1 },
};

it('is one table, with the consumers of a process below it', () => {
  expect(statusText(WELL)).toBe(
    `oO is well, with decisions PAUSED: http://localhost:4646

PART         STATE  LAG              VERSION  RESTARTS  PID  MEMORY
postgres     ready                   18.4     0         42   64 MiB
relay        ready  none             0.1.0    0         42   64 MiB
projections  ready                   0.1.0    2         42   64 MiB
  timeline          3 events, 1.3 s                                  1 parked
  decisions         none                                             PAUSED

since the start: 5 commands, 1 conflicts, 2 retries, 3 dropped as duplicates, 4 refilled from the store
1 parked; what they wait at, and what to do: npx oo parked list`,
  );
  expect(statusText({ ...WELL, totals: { ...WELL.totals, parked: 0 } })).not.toContain('oo parked');
});

it('says what is not as it should be', () => {
  const text = statusText({
    ...WELL,
    healthy: false,
    parts: [
      part('postgres', { state: 'down', ready: false, version: null, memoryMiB: null }),
      part('gateway', { ready: false, checks: { nats: false, sql: true } }),
      part('relay'),
    ],
    consumers: [consumer('relay', 'relay', { lag: null, position: null })],
  });
  expect(text).toContain('oO is NOT well');
  expect(text).toMatch(/\npostgres +DOWN +- +0 +42 +-\n/);
  expect(text).toMatch(/\ngateway +NOT READY .* nats fails\n/);
  expect(text).toMatch(/\nrelay +ready +no answer /);
});
