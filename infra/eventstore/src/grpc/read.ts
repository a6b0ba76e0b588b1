import { randomUUID } from 'node:crypto';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { RecordView } from '../storage/record.js';
import { RecordReader } from '../storage/record-reader.js';
import { EventFilter } from '../streams/event-filter.js';
import type { EventStore } from '../streams/event-store.js';
import { resolve } from '../streams/links.js';
import { AllSubscription, StreamSubscription, type SubscriptionSink } from '../streams/subscriptions.js';
import { isSystemStreamName } from '../streams/system-streams.js';
import { decodeReadRequest, type FilterRequest, type ReadRequest } from '../wire/read-request.js';
import * as readResponse from '../wire/read-response.js';
import { encodeReadEvent } from '../wire/recorded-event.js';
import * as errors from './errors.js';
import { RpcError } from './errors.js';
import type { Outgoing } from './outgoing.js';

import type { StreamsServiceOptions } from './streams-service.js';

const PAGE = 128;
const MAX_WINDOW = 32;

/** `Read`: streams and `$all`, once or as a subscription. */
export async function read(
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
