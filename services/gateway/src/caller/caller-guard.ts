import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Inject,
  Injectable,
} from '@nestjs/common';
import { ProblemError, problem } from '@oo/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CALLERS, RATE_LIMITS } from '../tokens.js';
import type { Caller, Callers } from './caller.js';
import type { RateLimits } from './rate-limits.js';

/** Lets in whoever has a session or an access token, as often as the rate limit allows. */
@Injectable()
export class CallerGuard implements CanActivate {
  constructor(
    @Inject(CALLERS) private readonly callers: Callers,
    @Inject(RATE_LIMITS) private readonly limits: RateLimits,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    await admitted(
      http.getRequest<FastifyRequest>(),
      http.getResponse<FastifyReply>(),
      this.callers,
      this.limits,
    );
    return true;
  }
}

/** Finds out who calls and counts the request. @throws ProblemError `not-signed-in`, `too-many-requests` */
export async function admitted(
  request: FastifyRequest,
  reply: FastifyReply,
  callers: Callers,
  limits: RateLimits,
): Promise<Caller> {
  const caller = await callers.of(request);
  if (caller !== undefined) request.caller = caller;
  await limits.count(request, reply);
  if (caller === undefined) throw new ProblemError(NOT_SIGNED_IN);
  return caller;
}

export const NOT_SIGNED_IN = problem(
  'not-signed-in',
  'Sign in on the page, or send an access token: Authorization: Bearer oo_…',
);

/** The caller that {@link CallerGuard} let in. */
export const TheCaller = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => {
  const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
  if (caller === undefined) throw new ProblemError(NOT_SIGNED_IN);
  return caller;
});
