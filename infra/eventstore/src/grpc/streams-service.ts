import { randomUUID } from 'node:crypto';
import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { RecordReader } from '../storage/log.js';
import type { ProposedEvent, RecordView } from '../storage/record.js';
import { EventFilter } from '../streams/event-filter.js';
import type { AppendResult, EventStore, ExpectedRevision } from '../streams/event-store.js';
import { resolve } from '../streams/links.js';
import {
  AllSubscription,
  StreamSubscription,
  type SubscriptionHub,
  type SubscriptionSink,
} from '../streams/subscriptions.js';
import { isSystemStreamName, type SystemStreams } from '../streams/system-streams.js';
import {
  type BatchRequest,
  decodeAppendOptions,
  decodeBatchRequest,
  decodeProposal,
  type RawProposal,
  toProposedEvent,
} from '../wire/append-request.js';
import {
  appendSuccess,
  appendWrongExpectedVersion,
  batchFailure,
  batchSuccess,
  deleteSuccess,
  wrongExpectedVersionDetail,
} from '../wire/append-response.js';
import { ProtoReader, ProtoWriter } from '../wire/protobuf.js';
import { decodeReadRequest, type FilterRequest, type ReadRequest } from '../wire/read-request.js';
import * as readResponse from '../wire/read-response.js';
import { encodeReadEvent } from '../wire/recorded-event.js';
import type { Access, Caller } from './access.js';
import * as errors from './errors.js';
import { RpcError } from './errors.js';
import { Outgoing } from './outgoing.js';

export interface StreamsServiceOptions {
  readonly store: EventStore;
  readonly hub: SubscriptionHub;
  readonly access: Access;
  readonly systemStreams: SystemStreams;
  /** Bytes of data in one append. */
  readonly maxAppendSize: number;
}

const PAGE = 128;
const MAX_WINDOW = 32;
const WRITE_TIMEOUT_MS = 2000;
const QUIET_MS = 20;
const BREAK_AT_LATEST_MS = 500;

/** The service `event_store.client.streams.Streams`, on bytes. */
export function streamsService(options: StreamsServiceOptions): UntypedServiceImplementation {
  const { store } = options;
  return {
    read: (call: ServerWritableStream<Buffer, Buffer>) => {
      const out = new Outgoing(call);
      void read(options, call, out).catch((error: unknown) => out.fail(error));
    },
    append: (call: ServerReadableStream<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      void append(options, call).then(
        (response) => callback(null, response),
        (error: unknown) => callback(toStatus(error)),
      );
    },
    batchAppend: (call: ServerDuplexStream<Buffer, Buffer>) => {
      void batchAppend(options, call);
    },
    delete: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      void remove(options, call, false).then(
        (response) => callback(null, response),
        (error: unknown) => callback(toStatus(error)),
      );
    },
    tombstone: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      void remove(options, call, true).then(
        (response) => callback(null, response),
        (error: unknown) => callback(toStatus(error)),
      );
    },
  };

  async function remove(
    { access }: StreamsServiceOptions,
    call: ServerUnaryCall<Buffer, Buffer>,
    forGood: boolean,
  ): Promise<Buffer> {
    const caller = await access.caller(call.metadata);
    const type = forGood ? 'TombstoneReq' : 'DeleteReq';
    const { stream, expected } = optionsOf(call.request, type);
    if (!access.mayStream(caller, 'delete', stream)) throw errors.accessDenied();
    const result = await new Promise<AppendResult>((done) => store.delete(stream, expected, forGood, done));
    switch (result.kind) {
      case 'appended':
        return deleteSuccess(result.position);
      case 'stream-deleted':
        throw errors.streamDeleted(stream);
      case 'wrong-expected-version':
        throw errors.wrongExpectedVersion('Delete', stream, expectedNumber(expected), result.current);
      case 'failed':
        throw errors.storageUnavailable(result.reason);
    }
  }
}

export function toStatus(error: unknown): RpcError {
  return errors.asRpcError(error);
}

function expectedNumber(expected: ExpectedRevision): number | bigint {
  if (expected === 'any') return -2;
  if (expected === 'no_stream') return -1;
  if (expected === 'stream_exists') return -4;
  return expected;
}

function optionsOf(message: Buffer, type: string): { stream: string; expected: ExpectedRevision } {
  const reader = new ProtoReader(message);
  let found: ReturnType<typeof decodeAppendOptions> | undefined;
  while (reader.next()) {
    if (reader.field === 1) found = decodeAppendOptions(reader.message());
    else reader.skip();
  }
  if (found === undefined) throw errors.handlerThrew();
  if (found.expected === undefined) {
    throw errors.invalidArgument(
      'None',
      `EventStore.Client.Streams.${type}+Types+Options+ExpectedStreamRevisionOneofCase`,
    );
  }
  if (!found.stream) throw errors.handlerThrew();
  return { stream: found.stream, expected: found.expected };
}

// ---- appending

function checkedEvent(raw: RawProposal): ProposedEvent {
  if (raw.type === undefined) throw errors.requiredMetadataMissing('type');
  if (raw.contentType === undefined) throw errors.requiredMetadataMissing('content-type');
  if (raw.id === undefined || raw.type === '' || isZero(raw.id)) throw errors.handlerThrew();
  return toProposedEvent(raw, raw.id, raw.type);
}

function isZero(id: Buffer): boolean {
  return id.every((byte) => byte === 0);
}

async function append(
  { store, access, maxAppendSize }: StreamsServiceOptions,
  call: ServerReadableStream<Buffer, Buffer>,
): Promise<Buffer> {
  const caller = await access.caller(call.metadata);
  let target: { stream: string; expected: ExpectedRevision } | undefined;
  const events: ProposedEvent[] = [];
  let size = 0;
  for await (const message of call) {
    const reader = new ProtoReader(message);
    while (reader.next()) {
      if (reader.field === 1 && target === undefined) {
        target = optionsOf(message, 'AppendReq');
        reader.skip();
        if (!access.mayStream(caller, 'write', target.stream)) throw errors.accessDenied();
      } else if (reader.field === 2 && target !== undefined) {
        const raw = decodeProposal(reader.message());
        if (raw.type === undefined) throw errors.requiredMetadataMissing('type');
        if (raw.contentType === undefined) throw errors.requiredMetadataMissing('content-type');
        size += raw.data.length;
        if (size > maxAppendSize) throw errors.maximumAppendSizeExceeded(maxAppendSize);
        events.push(checkedEvent(raw));
      } else {
        throw errors.handlerThrew();
      }
    }
  }
  if (target === undefined) throw errors.handlerThrew();
  const { stream, expected } = target;
  const result = await new Promise<AppendResult>((done) => store.append(stream, expected, events, done));
  switch (result.kind) {
    case 'appended':
      return appendSuccess(result.revision, result.position);
    case 'wrong-expected-version':
      return appendWrongExpectedVersion(result.current, expected);
    case 'stream-deleted':
      throw errors.streamDeleted(stream);
    case 'failed':
      throw errors.storageUnavailable(result.reason);
  }
}

interface Unfinished {
  readonly stream: string;
  readonly identifier: Buffer;
  readonly expected: ExpectedRevision;
  readonly events: ProposedEvent[];
  size: number;
  readonly timer: NodeJS.Timeout | undefined;
}

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

async function batchAppend(
  { store, access, maxAppendSize }: StreamsServiceOptions,
  call: ServerDuplexStream<Buffer, Buffer>,
): Promise<void> {
  const out = new Outgoing(call);
  const unfinished = new Map<string, Unfinished>();
  let pending = 0;
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
            shared('Unknown'),
            Buffer.alloc(0),
          ),
        );
        break;
    }
    pending--;
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
          timer: request.final ? undefined : expire(request.correlation, request.correlationKey, timeout),
        });
      }
    }
    const target = unfinished.get(request.correlationKey);
    if (target === undefined) return;
    for (const raw of request.proposals) {
      const event = proposalOf(raw);
      if (typeof event === 'string') {
        bad(request, event);
        return;
      }
      target.events.push(event);
      target.size += raw.data.length;
    }
    if (target.size > maxAppendSize) {
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
    store.append(target.stream, target.expected, target.events, (result) =>
      answer(request.correlation, target, result),
    );
  };

  const drop = (key: string, target: Unfinished): void => {
    clearTimeout(target.timer);
    unfinished.delete(key);
  };

  const expire = (correlation: Buffer, key: string, timeout: number | undefined): NodeJS.Timeout =>
    setTimeout(
      () => {
        const target = unfinished.get(key);
        if (target === undefined) return;
        unfinished.delete(key);
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
    if (!out.room) {
      call.pause();
      void out.drained().then(() => call.resume());
    }
  });
  call.on('end', () => {
    closing = true;
    // Only an answer that is still to come ends the call: without one it stays open, as on the real server.
  });
  call.resume();
}

// ---- reading

async function read(
  options: StreamsServiceOptions,
  call: ServerWritableStream<Buffer, Buffer>,
  out: Outgoing,
): Promise<void> {
  const { store, access } = options;
  const caller = await access.caller(call.metadata);
  const request = decodeReadRequest(call.request);
  if (request.source === undefined) {
    throw errors.invalidArgument(
      'None',
      'EventStore.Client.Streams.ReadReq+Types+Options+StreamOptionOneofCase',
    );
  }
  if (request.source === 'stream' && request.stream === '') throw errors.handlerThrew();
  const name = request.source === 'all' ? '$all' : request.stream;
  if (!access.mayStream(caller, 'read', name)) throw errors.accessDenied();
  checkCombination(request);
  if (request.source === 'stream' && isSystemStreamName(name)) await options.systemStreams.demand();
  const reader = new RecordReader(store.log);
  const mayRead = (stream: string): boolean => access.mayStream(caller, 'read', stream);
  const encode = (record: RecordView, from: RecordReader): Buffer =>
    encodeReadEvent(
      request.resolveLinks ? resolve(store, record, from, mayRead) : { event: record, link: undefined },
      request,
    );
  if (request.count === 'subscription') {
    subscribe(options, request, out, encode);
    return;
  }
  const limit = Math.min(Number(request.count), Number.MAX_SAFE_INTEGER);
  if (limit === 0) throw unexpected(request);
  if (request.source === 'stream') await readStream(store, request, limit, reader, out, encode);
  else await readAll(store, request, limit, reader, out, encode);
  out.finish();
}

function unexpected(request: ReadRequest): RpcError {
  const result =
    request.source === 'stream'
      ? 'ReadStreamResult'
      : request.filter === 'none'
        ? 'ReadAllResult'
        : 'FilteredReadAllResult';
  return new RpcError(status.UNKNOWN, `Unexpected ${result}: Error`);
}

function checkCombination(request: ReadRequest): void {
  const filtered = request.filter !== undefined && request.filter !== 'none';
  if (
    request.count !== undefined &&
    request.filter !== undefined &&
    !(request.source === 'stream' && filtered) &&
    !(request.count === 'subscription' && request.backwards)
  ) {
    return;
  }
  const source = request.source === 'stream' ? 'Stream' : 'All';
  const count =
    request.count === undefined ? 'None' : request.count === 'subscription' ? 'Subscription' : 'Count';
  const direction = request.backwards ? 'Backwards' : 'Forwards';
  const filter = request.filter === undefined ? 'None' : filtered ? 'Filter' : 'NoFilter';
  throw new RpcError(
    status.INVALID_ARGUMENT,
    `The combination of (${source}, ${count}, ${direction}, ${filter}) is invalid.`,
  );
}

/** @throws RpcError for a filter that says nothing, or a regular expression that does not compile. */
export function eventFilter(request: FilterRequest): EventFilter {
  if (request.on === undefined) throw errors.handlerThrew();
  try {
    return request.regex === ''
      ? EventFilter.prefixes(request.on, request.prefixes)
      : EventFilter.regex(request.on, request.regex);
  } catch {
    throw errors.handlerThrew();
  }
}

function searchWindow(request: FilterRequest): number {
  if (request.max === null) {
    throw errors.invalidArgument(
      'None',
      'EventStore.Client.Streams.ReadReq+Types+Options+Types+FilterOptions+WindowOneofCase',
    );
  }
  return request.max ?? MAX_WINDOW;
}

type Encode = (record: RecordView, reader: RecordReader) => Buffer;

async function readStream(
  store: EventStore,
  request: ReadRequest,
  limit: number,
  reader: RecordReader,
  out: Outgoing,
  encode: Encode,
): Promise<void> {
  const { stream, backwards } = request;
  let next: number | 'end';
  if (request.revision === 'start') next = 0;
  else if (request.revision === 'end') next = 'end';
  else next = Math.min(Number(request.revision), Number.MAX_SAFE_INTEGER);
  if (!backwards && next === 'end') throw unexpected(request);
  let left = limit;
  let first = true;
  while (left > 0 && !out.ended) {
    const count = Math.min(PAGE, left);
    const slice = backwards
      ? store.readBackwards(stream, next, count, reader)
      : store.readForwards(stream, next === 'end' ? 0 : next, count, reader);
    if (slice.state === 'missing') {
      out.send(readResponse.streamNotFound(stream));
      return;
    }
    if (slice.state === 'deleted') throw errors.streamDeleted(stream);
    if (
      first &&
      request.compatibility >= 1 &&
      !backwards &&
      slice.records.length === 0 &&
      next !== slice.next
    ) {
      out.send(readResponse.firstStreamPosition(slice.next));
    }
    first = false;
    for (const record of slice.records) {
      if (left === 0) break;
      out.send(encode(record, reader));
      left--;
    }
    next = slice.next;
    if (slice.end || left === 0) {
      if (request.compatibility >= 1) out.send(readResponse.lastStreamPosition(slice.last));
      return;
    }
    if (!out.room) await out.drained();
    else await new Promise((resume) => setImmediate(resume));
  }
}

/** A position in `$all` as a number; beyond what the log can reach it is the end. */
function logPosition(store: EventStore, request: ReadRequest): number {
  const { position, backwards } = request;
  if (position === 'start') return 0;
  if (position === 'end') return Number.MAX_SAFE_INTEGER;
  if (position.commit < position.prepare) throw errors.handlerThrew();
  const commit = Math.min(Number(position.commit), Number.MAX_SAFE_INTEGER);
  if (!store.isBoundary(commit) && !backwards) throw unexpected(request);
  return commit;
}

async function readAll(
  store: EventStore,
  request: ReadRequest,
  limit: number,
  reader: RecordReader,
  out: Outgoing,
  encode: Encode,
): Promise<void> {
  let filter: EventFilter | undefined;
  if (request.filter !== undefined && request.filter !== 'none') {
    filter = eventFilter(request.filter);
    searchWindow(request.filter);
  }
  let next = logPosition(store, request);
  let left = limit;
  while (left > 0 && !out.ended) {
    const count = filter === undefined ? Math.min(PAGE, left) : PAGE;
    const slice = request.backwards
      ? store.readAllBackwards(next, count, reader)
      : store.readAllForwards(next, count, reader);
    for (const record of slice.records) {
      if (filter !== undefined && !filter.matches(record)) continue;
      out.send(encode(record, reader));
      if (--left === 0) return;
    }
    if (slice.end) return;
    next = slice.next;
    if (!out.room) await out.drained();
    else await new Promise((resume) => setImmediate(resume));
  }
}

// ---- subscriptions

function subscribe(
  options: StreamsServiceOptions,
  request: ReadRequest,
  out: Outgoing,
  encode: Encode,
): void {
  const sink: SubscriptionSink = {
    event: (record, reader) => out.send(encode(record, reader)),
    caughtUp: () => out.send(readResponse.caughtUp()),
    fellBehind: () => out.send(readResponse.fellBehind()),
    checkpoint: (position) => out.send(readResponse.checkpoint(position)),
    streamDeleted: () => out.fail(errors.streamDeleted(request.stream)),
    failed: (error) => out.fail(error),
    get room() {
      return out.room;
    },
    drained: () => out.drained(),
  };
  const subscription =
    request.source === 'stream' ? toStream(options, request, sink) : toAll(options, request, sink);
  if (request.source === 'stream' && options.store.state(request.stream).state === 'deleted') {
    throw errors.streamDeleted(request.stream);
  }
  out.send(readResponse.confirmation(randomUUID()));
  subscription.start();
  out.whenEnded(() => subscription.stop());
}

function toStream(
  { hub }: StreamsServiceOptions,
  request: ReadRequest,
  sink: SubscriptionSink,
): StreamSubscription {
  const { revision } = request;
  const from =
    typeof revision === 'string' ? revision : Math.min(Number(revision), Number.MAX_SAFE_INTEGER - 1);
  return new StreamSubscription(hub, sink, request.stream, from);
}

function toAll(
  { hub, store }: StreamsServiceOptions,
  request: ReadRequest,
  sink: SubscriptionSink,
): AllSubscription {
  const from =
    request.position === 'start' || request.position === 'end'
      ? request.position
      : logPosition(store, request);
  if (request.filter === undefined || request.filter === 'none')
    return new AllSubscription(hub, sink, from, undefined);
  const filter = eventFilter(request.filter);
  const window = searchWindow(request.filter);
  if (request.filter.checkpointInterval === 0) throw errors.handlerThrew();
  return new AllSubscription(hub, sink, from, {
    filter,
    window: Math.max(1, window),
    checkpointInterval: request.filter.checkpointInterval * Math.max(1, window),
  });
}
