import { type Instant, instant } from '@oo/contracts';

/** Where time comes from. Code of the domain is given instants; everything around it asks one of these. */
export interface Clock {
  now(): Instant;
}

export const systemClock: Clock = { now: () => instant(Date.now()) };
