import type { Sessions } from '@oo/auth';
import { problem } from '@oo/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RateLimits } from '../caller/rate-limits.js';
import { pathOf, problemOf } from './problem-of.js';
import { sendProblem } from './problem-response.js';

/** Hands what comes in under `/api/auth` to better-auth, and answers its errors as problem documents. */
export function authRoute(
  fastify: FastifyInstance,
  sessions: Sessions,
  limits: RateLimits,
  publicUrl: string,
): void {
  fastify.register(async (scope) => {
    // What fails before better-auth is asked (a body that is too large, no JSON) is answered as everywhere.
    scope.setErrorHandler((error, request, reply) => sendProblem(reply, problemOf(error, request)));
    scope.route({
      method: ['GET', 'POST'],
      url: '/api/auth/*',
      handler: async (request, reply) => {
        await limits.count(request, reply);
        const response = await sessions.handle(webRequest(request, publicUrl));
        if (response.status < 400) return send(reply, response);
        return sendProblem(reply, problemOfAnswer(response.status, await response.text(), request));
      },
    });
  });
}

/** The address is the public one, whatever the Host header says. */
function webRequest(request: FastifyRequest, publicUrl: string): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  headers.delete('content-length');
  const hasBody = request.method !== 'GET' && request.body !== undefined;
  return new Request(new URL(request.url, publicUrl), {
    method: request.method,
    headers,
    ...(hasBody ? { body: JSON.stringify(request.body) } : {}),
  });
}

async function send(reply: FastifyReply, response: Response): Promise<FastifyReply> {
  reply.status(response.status);
  for (const [name, value] of response.headers) {
    if (name !== 'set-cookie') reply.header(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) reply.header('set-cookie', cookies);
  return reply.send(await response.text());
}

/** What better-auth says about its errors is for its own client; these are the ones that a caller can mend. */
function problemOfAnswer(status: number, said: string, request: FastifyRequest) {
  if (status === 404) return problem('not-found', `There is no ${request.method} ${pathOf(request.url)}.`);
  // Both are refused with 403: where to go on after signing in, and a request from another site.
  if (status === 403 && /callback/i.test(said)) {
    return problem('invalid-input', 'Begin to sign in again, on the page.', [
      { field: 'callbackURL', message: 'has to be an address of oO’s own page' },
    ]);
  }
  if (status === 401 || status === 403)
    return problem('not-signed-in', 'Begin to sign in again, on the page.');
  if (status === 429) return problem('too-many-requests', 'Wait a minute.');
  if (status >= 500) return problem('unavailable', 'Signing in does not work now. Try again in a moment.');
  return problem('invalid-input', 'Begin to sign in again, on the page.', [
    { field: '(body)', message: 'is not what signing in takes' },
  ]);
}
