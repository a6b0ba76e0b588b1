import { ProblemError } from '@oo/contracts';
import { type FastifyTRPCPluginOptions, fastifyTRPCPlugin } from '@trpc/server/adapters/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Callers } from '../caller/caller.js';
import type { RateLimits } from '../caller/rate-limits.js';
import { MAX_BODY_BYTES, problemOf } from '../http/problem-of.js';
import { sendProblem } from '../http/problem-response.js';
import type { PageContext, PageParts } from './page-context.js';
import { type PageRouter, pageRouter } from './page-router.js';
import { trpcError } from './problems.js';

/** Serves the page's router under `/trpc`. */
export function pageRoute(
  fastify: FastifyInstance,
  parts: PageParts,
  callers: Callers,
  limits: RateLimits,
): void {
  const contextOf = async (request: FastifyRequest, reply: FastifyReply): Promise<PageContext> => {
    const caller = await callers.of(request);
    if (caller !== undefined) request.caller = caller;
    try {
      await limits.count(request, reply);
    } catch (error) {
      throw error instanceof ProblemError ? trpcError(error) : error;
    }
    return { parts, caller };
  };
  const options: FastifyTRPCPluginOptions<PageRouter> = {
    prefix: '/trpc',
    trpcOptions: {
      router: pageRouter,
      createContext: ({ req, res }) => contextOf(req, res),
      maxBodySize: MAX_BODY_BYTES,
      onError: ({ error, path }) => {
        if (error.code === 'INTERNAL_SERVER_ERROR') {
          parts.log.error({ err: error.cause ?? error, path }, 'a request of the page failed');
        }
      },
    },
  };
  // What fails before the router is asked (a body that is too large, no JSON) is answered as everywhere.
  fastify.register(async (scope) => {
    scope.setErrorHandler((error, request, reply) => sendProblem(reply, problemOf(error, request)));
    await scope.register(fastifyTRPCPlugin, options);
  });
}
