import { ProblemError, problem } from '@oo/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from './caller.js';

const MINUTE_MS = 60_000;
/** Requests without valid credentials, of one address in a minute: signing in, and wrong tokens. */
const STRANGERS = 300;

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls, once that has been found out. */
    caller?: Caller;
  }
}

export interface RateLimits {
  /** Counts a request for its caller, or for its address when there is none. @throws ProblemError `too-many-requests` */
  count(request: FastifyRequest, reply: FastifyReply): Promise<void>;
}

/** Limits by person and, for strangers, by address. The counters are in memory, for the last few thousand of each. */
export function rateLimits(fastify: FastifyInstance, ofOnePerson: number): RateLimits {
  const people = fastify.createRateLimit({
    max: ofOnePerson,
    timeWindow: MINUTE_MS,
    keyGenerator: (request) => request.caller?.userId ?? '',
  });
  const strangers = fastify.createRateLimit({
    max: STRANGERS,
    timeWindow: MINUTE_MS,
    keyGenerator: (request) => request.ip,
  });
  return {
    count: async (request, reply) => {
      const found = await (request.caller === undefined ? strangers : people)(request);
      if (found.isAllowed || !found.isExceeded) return;
      reply.header('retry-after', String(found.ttlInSeconds));
      throw new ProblemError(
        problem(
          'too-many-requests',
          `There is room for ${found.max} in a minute. Wait ${found.ttlInSeconds} s.`,
        ),
      );
    },
  };
}
