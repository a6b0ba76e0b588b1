import { HEADER_TRACEPARENT } from '@oo/contracts';
import { type RunningSpan, startSpan } from '@oo/event-sourcing';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/**
 * Makes each request a span, in the trace that its `traceparent` names or in a new one, and runs all that is done for
 * it as part of it. A stream's span is over when it is open: what it shows later belongs to what caused that.
 */
export function traceRequests(fastify: FastifyInstance): void {
  const spans = new WeakMap<FastifyRequest, RunningSpan>();
  fastify.addHook('onRequest', (request, _reply, done) => {
    const given = request.headers[HEADER_TRACEPARENT];
    const parent = typeof given === 'string' ? given : undefined;
    const span = startSpan(`${request.method} ${request.routeOptions.url ?? 'nowhere'}`, {
      kind: 'server',
      ...(parent === undefined ? {} : { parent }),
    });
    if (span === undefined) return done();
    spans.set(request, span);
    span.run(done);
  });
  fastify.addHook('onSend', async (request, reply) => {
    spans.get(request)?.end(reply.statusCode >= 500 ? reply.statusCode : undefined);
  });
}
