import { problem } from '@oo/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from './problem-response.js';

const CHARSET = /;\s*charset\s*=\s*"?([^";\s]+)/i;

/** A body is UTF-8 as it is (RFC 8259, 8.1): one that says it is something else would be read as what it is not. */
export async function refuseEncodings({ headers }: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return refuse(reply, 'content-encoding', 'has to be absent: send the body as it is');
  }
  const charset = CHARSET.exec(headers['content-type'] ?? '')?.[1]?.toLowerCase();
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
    return refuse(reply, 'content-type', 'has to be application/json in UTF-8');
  }
  return undefined;
}

const refuse = (reply: FastifyReply, field: string, message: string) =>
  sendProblem(
    reply,
    problem('unsupported-media-type', `Correct and send again. ${field}: ${message}`, [{ field, message }]),
  );
