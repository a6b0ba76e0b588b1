import type { Socket } from 'node:net';
import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { Problem } from '@oo/contracts';
import type { Log } from '@oo/service-host';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { httpProblem, internalProblem, problemOf } from './problem-of.js';

export const PROBLEM_TYPE = 'application/problem+json';

/** Answers with a problem document (RFC 9457), and nothing but it. */
export function sendProblem(reply: FastifyReply, found: Problem): FastifyReply {
  return reply.status(found.status).type(PROBLEM_TYPE).send(JSON.stringify(found));
}

/** Every error of the gateway's HTTP side ends here. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const found = problemOf(error, request);
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
