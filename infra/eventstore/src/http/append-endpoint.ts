import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Metadata, status } from '@grpc/grpc-js';
import type { Access, Caller } from '../grpc/access.js';
import { asRpcError } from '../grpc/errors.js';
import { NO_BYTES, type ProposedEvent } from '../storage/record.js';
import type { AppendResult, EventStore, ExpectedRevision } from '../streams/event-store.js';
import { parseUuid } from '../wire/uuid.js';
import { problem } from './endpoints.js';

export interface AppendEndpointOptions {
  readonly store: EventStore;
  readonly access: Access;
  /** Bytes of data in one append. */
  readonly maxAppendSize: number;
}

/**
 * `POST /streams/NAME`: one event in the body, its type in `ES-EventType`, and if wanted its id in `ES-EventId` and the
 * revision that the stream has to be at in `ES-ExpectedVersion`. It is the one part of AtomPub that is here. A page of
 * another origin cannot send the header without being asked by its browser first, and gets no leave.
 */
export function appendEndpoint({ store, access, maxAppendSize }: AppendEndpointOptions) {
  return async (request: IncomingMessage, response: ServerResponse, name: string): Promise<void> => {
    const refuse = (code: number, title: string, detail: string): void => {
      request.resume();
      problem(response, code, title, detail);
    };
    const header = (field: string): string | undefined => {
      const value = request.headers[field];
      return typeof value === 'string' ? value : undefined;
    };
    let caller: Caller;
    try {
      const metadata = new Metadata();
      const credentials = header('authorization');
      if (credentials !== undefined) metadata.set('authorization', credentials);
      caller = await access.caller(metadata);
    } catch (error) {
      const { code, details } = asRpcError(error);
      refuse(code === status.UNAUTHENTICATED ? 401 : 500, 'Unauthorized', details);
      return;
    }
    let stream: string;
    try {
      stream = decodeURIComponent(name);
    } catch {
      refuse(400, 'Bad Request', `'${name}' is not the percent-encoded name of a stream.`);
      return;
    }
    if (stream === '' || !access.mayStream(caller, 'write', stream)) {
      refuse(401, 'Unauthorized', `'${stream}' is not a stream that the caller may append to.`);
      return;
    }
    const type = header('es-eventtype');
    if (type === undefined || type === '') {
      refuse(400, 'Bad Request', 'The header ES-EventType is missing: it takes the type of the event.');
      return;
    }
    const expected = expectedRevision(header('es-expectedversion'));
    if (expected === undefined) {
      refuse(
        400,
        'Bad Request',
        'ES-ExpectedVersion takes a revision, -1 (no stream), -2 (any) or -4 (exists).',
      );
      return;
    }
    let id: Buffer;
    try {
      id = parseUuid(header('es-eventid') ?? randomUUID());
    } catch {
      refuse(400, 'Bad Request', 'ES-EventId takes a UUID.');
      return;
    }
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of request) {
      if (!Buffer.isBuffer(chunk)) continue;
      size += chunk.length;
      if (size > maxAppendSize) {
        response.shouldKeepAlive = false;
        problem(response, 413, 'Content Too Large', `One append takes at most ${maxAppendSize} bytes.`);
        return;
      }
      chunks.push(chunk);
    }
    const json = /^application\/json\b/i.test(header('content-type') ?? '');
    const event: ProposedEvent = { id, type, json, metadata: NO_BYTES, data: Buffer.concat(chunks) };
    answer(
      response,
      stream,
      await new Promise<AppendResult>((done) => store.append(stream, expected, [event], done)),
    );
  };
}

function answer(response: ServerResponse, stream: string, result: AppendResult): void {
  switch (result.kind) {
    case 'appended':
      response.writeHead(201, { location: `/streams/${encodeURIComponent(stream)}/${result.revision}` });
      response.end();
      return;
    case 'wrong-expected-version':
      response.setHeader('ES-CurrentVersion', String(result.current));
      problem(response, 400, 'Wrong expected EventNumber', `'${stream}' is at ${result.current}.`);
      return;
    case 'stream-deleted':
      problem(response, 410, 'Stream deleted', `'${stream}' is deleted.`);
      return;
    case 'failed':
      problem(response, 503, 'Service Unavailable', result.reason);
  }
}

function expectedRevision(text: string | undefined): ExpectedRevision | undefined {
  if (text === undefined || text === '-2') return 'any';
  if (text === '-1') return 'no_stream';
  if (text === '-4') return 'stream_exists';
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
