import type { Socket } from 'node:net';
import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { Problem } from '@oo/contracts';
import type { Log } from '@oo/service-host';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { httpProblem, internalProblem, methodNotAllowed, pathOf, problemOf } from './problem-of.js';

export const PROBLEM_TYPE = 'application/problem+json';
const NOT_FOUND = 'urn:oo:problem:not-found';

/** Answers with a problem document (RFC 9457), and nothing but it. */
export function sendProblem(reply: FastifyReply, found: Problem): FastifyReply {
  return reply.status(found.status).type(PROBLEM_TYPE).send(JSON.stringify(found));
}

/** Every error of the gateway's HTTP side ends here. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  /** @param methodsOf what methods an address takes; none where there is no such address */
  constructor(
    private readonly log: Log,
    private readonly methodsOf: (path: string) => readonly string[],
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const found = problemOf(error, request);
    const methods = found.type === NOT_FOUND ? this.methodsOf(pathOf(request.url)) : [];
    if (methods.length > 0 && !methods.includes(request.method)) {
      const reply = http.getResponse<FastifyReply>().header('allow', methods.join(', '));
      sendProblem(reply, methodNotAllowed(request, methods));
      return;
    }
    if (found.status >= 500) this.log.error({ err: error, method: request.method }, found.title);
    sendProblem(http.getResponse<FastifyReply>(), found);
  }
}

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Answers what is not HTTP at all, or not in time, on the bare connection. */
export function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy(error);
    return;
  }
  const status = STATUS_OF_CODE[error.code ?? ''] ?? 400;
  const body = JSON.stringify(httpProblem(status, '', { method: '', url: '' }) ?? internalProblem());
  socket.end(
    `HTTP/1.1 ${status} Refused\r\ncontent-type: ${PROBLEM_TYPE}\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
