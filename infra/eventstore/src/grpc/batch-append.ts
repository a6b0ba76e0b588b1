import type { ServerDuplexStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { LIMITS } from '../settings.js';
import { memoryOf, type ProposedEvent } from '../storage/record.js';
import type { AppendResult, ExpectedRevision } from '../streams/event-store.js';
import {
  type BatchRequest,
  decodeBatchRequest,
  type RawProposal,
  toProposedEvent,
} from '../wire/append-request.js';
import { batchFailure, batchSuccess, wrongExpectedVersionDetail } from '../wire/append-response.js';
import { ProtoWriter } from '../wire/protobuf.js';
import type { Caller } from './access.js';
import * as errors from './errors.js';
import { Outgoing } from './outgoing.js';

import type { StreamsServiceOptions } from './streams-service.js';

const WRITE_TIMEOUT_MS = 2000;
const QUIET_MS = 20;
const BREAK_AT_LATEST_MS = 500;
/** While this much waits for the disk, no more is taken from a call. */
const ENOUGH_WAITING = 32 << 20;

interface Unfinished {
  readonly stream: string;
  readonly identifier: Buffer;
  readonly expected: ExpectedRevision;
  readonly events: ProposedEvent[];
  size: number;
  memory: number;
  readonly timer: NodeJS.Timeout | undefined;
}

/** Clients drop the text of failures whose kind they know; of this one the official client shows it. */
const STORAGE_UNAVAILABLE = new ProtoWriter()
  .string(1, 'STORAGE_UNAVAILABLE')
  .string(2, 'eventstore')
  .finish();

const shared = (name: string): string => `event_store.client.${name}`;

/** The event, or what .NET says of the first thing that is wrong with it. */
function proposalOf(raw: RawProposal): ProposedEvent | string {
  if (raw.id === undefined) return 'Unrecognized Guid format.';
  if (raw.type === undefined || raw.contentType === undefined) {
    return 'The given key was not present in the dictionary.';
  }
  if (isZero(raw.id)) return "Empty eventId provided. (Parameter 'eventId')";
  if (raw.type === '') return "Empty eventType provided. (Parameter 'eventType')";
  return toProposedEvent(raw, raw.id, raw.type);
}

/**
 * `BatchAppend`: many appends on one call, each answered once, after its last part, in the order in which they became
 * durable.
 */
export async function batchAppend(
  { store, access, maxAppendSize }: StreamsServiceOptions,
  call: ServerDuplexStream<Buffer, Buffer>,
): Promise<void> {
  const out = new Outgoing(call);
  const unfinished = new Map<string, Unfinished>();
  let pending = 0;
  /** What unfinished appends take in memory, and those that wait for the disk. */
  let gathering = 0;
  let appending = 0;
  let isFull = false;
  let closing = false;
  let broken: number | undefined;
  let quiet: NodeJS.Timeout | undefined;
  let caller: Caller;
  // Requests may come before it is known who sends them.
  call.pause();
  try {
    caller = await access.caller(call.metadata);
  } catch (error) {
    out.fail(error);
    return;
  }
  out.whenEnded(() => {
    clearTimeout(quiet);
    for (const request of unfinished.values()) clearTimeout(request.timer);
    unfinished.clear();
  });

  const fail = (
    correlation: Buffer,
    identifier: Buffer | undefined,
    code: status,
    name: string,
    detail: Buffer,
  ): void => out.send(batchFailure(correlation, identifier, code, name, shared(name), detail));
  const bad = (request: BatchRequest, message: string): void =>
    fail(
      request.correlation,
      request.options?.identifier,
      status.INVALID_ARGUMENT,
      'BadRequest',
      new ProtoWriter().string(1, message).finish(),
    );

  const answer = (request: Buffer, target: Unfinished, result: AppendResult): void => {
    switch (result.kind) {
      case 'appended':
        if (result.position === undefined) breakWhenQuiet();
        else out.send(batchSuccess(request, target.identifier, result.revision, result.position));
        break;
      case 'wrong-expected-version':
        fail(
          request,
          target.identifier,
          status.ALREADY_EXISTS,
          'WrongExpectedVersion',
          wrongExpectedVersionDetail(result.current, target.expected),
        );
        break;
      case 'stream-deleted':
        fail(
          request,
          target.identifier,
          status.NOT_FOUND,
          'StreamDeleted',
          new ProtoWriter().bytes(1, target.identifier).finish(),
        );
        break;
      case 'failed':
        out.send(
          batchFailure(
            request,
            target.identifier,
            status.UNAVAILABLE,
            result.reason,
            'google.rpc.ErrorInfo',
            STORAGE_UNAVAILABLE,
          ),
        );
        break;
    }
    pending--;
    appending -= target.memory;
    if (isFull && appending < ENOUGH_WAITING / 2) {
      isFull = false;
      if (out.room) call.resume();
    }
    if (closing && pending === 0) out.finish();
  };

  /**
   * A retry of events that can no longer be read has no answer that a client knows: the real server breaks the call. So
   * does this one, but not before the call has been quiet for a moment, so that nobody else's append is left unanswered.
   */
  const breakWhenQuiet = (): void => {
    broken ??= Date.now();
    quiet?.refresh();
    quiet ??= setTimeout(() => {
      if (pending > 0 && Date.now() - (broken ?? 0) < BREAK_AT_LATEST_MS) quiet?.refresh();
      else out.fail(errors.handlerThrew());
    }, QUIET_MS);
  };

  const handle = (message: Buffer): void => {
    if (broken !== undefined) breakWhenQuiet();
    const request = decodeBatchRequest(message);
    if (request.options !== undefined) {
      const { stream, identifier, expected, timeout } = request.options;
      if (stream !== undefined && stream !== '' && !access.mayStream(caller, 'write', stream)) {
        fail(request.correlation, identifier, status.PERMISSION_DENIED, 'AccessDenied', Buffer.alloc(0));
        return;
      }
      if (stream === undefined) {
        bad(request, 'Required field StreamIdentifier not set.');
        return;
      }
      if (timeout !== undefined && timeout <= 0) {
        fail(request.correlation, identifier, status.DEADLINE_EXCEEDED, 'Timeout', Buffer.alloc(0));
        return;
      }
      if (expected === undefined) {
        bad(
          request,
          `Status(StatusCode="InvalidArgument", Detail="'None' is not a valid EventStore.Client.Streams.BatchAppendReq+Types+Options+ExpectedStreamPositionOneofCase")`,
        );
        return;
      }
      if (stream === '') {
        bad(request, "Value cannot be null. (Parameter 'value')");
        return;
      }
      if (!unfinished.has(request.correlationKey)) {
        unfinished.set(request.correlationKey, {
          stream,
          identifier,
          expected,
          events: [],
          size: 0,
          memory: 0,
          timer: request.final ? undefined : expire(request.correlation, request.correlationKey, timeout),
        });
      }
    }
    const target = unfinished.get(request.correlationKey);
    if (target === undefined) return;
    for (const raw of request.proposals) {
      const event = proposalOf(raw);
      if (typeof event === 'string') {
        drop(request.correlationKey, target);
        bad(request, event);
        return;
      }
      target.events.push(event);
      target.size += raw.data.length;
      target.memory += memoryOf(event);
      gathering += memoryOf(event);
    }
    if (target.size > maxAppendSize || gathering > LIMITS.appendMemory) {
      drop(request.correlationKey, target);
      fail(
        request.correlation,
        target.identifier,
        status.INVALID_ARGUMENT,
        'MaximumAppendSizeExceeded',
        new ProtoWriter().varint(1, maxAppendSize).finish(),
      );
      return;
    }
    if (!request.final) return;
    drop(request.correlationKey, target);
    pending++;
    appending += target.memory;
    store.append(target.stream, target.expected, target.events, (result) =>
      answer(request.correlation, target, result),
    );
  };

  const drop = (key: string, target: Unfinished): void => {
    clearTimeout(target.timer);
    gathering -= target.memory;
    unfinished.delete(key);
  };

  const expire = (correlation: Buffer, key: string, timeout: number | undefined): NodeJS.Timeout =>
    setTimeout(
      () => {
        const target = unfinished.get(key);
        if (target === undefined) return;
        drop(key, target);
        fail(correlation, target.identifier, status.DEADLINE_EXCEEDED, 'Timeout', Buffer.alloc(0));
      },
      Math.min(timeout ?? WRITE_TIMEOUT_MS, WRITE_TIMEOUT_MS),
    );

  call.on('data', (message: Buffer) => {
    try {
      handle(message);
    } catch (error) {
      out.fail(error);
      return;
    }
    if (appending > ENOUGH_WAITING) {
      isFull = true;
      call.pause();
    }
    if (!out.room) {
      call.pause();
      void out.drained().then(() => {
        if (!isFull) call.resume();
      });
    }
  });
  call.on('end', () => {
    closing = true;
    // Only an answer that is still to come ends the call: without one it stays open, as on the real server.
  });
  call.resume();
}

/** Whether an id is the empty one, which .NET refuses. */
export function isZero(id: Buffer): boolean {
  return id.every((byte) => byte === 0);
}
