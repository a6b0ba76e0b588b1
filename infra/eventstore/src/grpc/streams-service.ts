import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { LIMITS } from '../settings.js';
import { memoryOf, type ProposedEvent } from '../storage/record.js';
import type { AppendResult, EventStore, ExpectedRevision } from '../streams/event-store.js';
import type { SubscriptionHub } from '../streams/subscriptions.js';
import type { SystemStreams } from '../streams/system-streams.js';
import {
  decodeAppendOptions,
  decodeProposal,
  type RawProposal,
  toProposedEvent,
} from '../wire/append-request.js';
import { appendSuccess, appendWrongExpectedVersion, deleteSuccess } from '../wire/append-response.js';
import { ProtoReader } from '../wire/protobuf.js';
import type { Access } from './access.js';
import { batchAppend, isZero } from './batch-append.js';
import * as errors from './errors.js';
import { Outgoing } from './outgoing.js';
import { read } from './read.js';

export interface StreamsServiceOptions {
  readonly store: EventStore;
  readonly hub: SubscriptionHub;
  readonly access: Access;
  readonly systemStreams: SystemStreams;
  /** Bytes of data in one append. */
  readonly maxAppendSize: number;
  /** Aborted when the server begins to stop. */
  readonly closing: AbortSignal;
}

/** The service `event_store.client.streams.Streams`, on bytes. */
export function streamsService(options: StreamsServiceOptions): UntypedServiceImplementation {
  const { store } = options;
  return {
    read: (call: ServerWritableStream<Buffer, Buffer>) => {
      const out = new Outgoing(call);
      void read(options, call, out).catch((error: unknown) => out.fail(error));
    },
    append: (call: ServerReadableStream<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      // What still has parts to come will not be whole any more.
      const cut = new Promise<never>((_, reject) => {
        const refuse = (): void => reject(errors.storageUnavailable('the server is shutting down'));
        options.closing.addEventListener('abort', refuse, { once: true });
        call.once('end', () => options.closing.removeEventListener('abort', refuse));
        call.once('close', () => options.closing.removeEventListener('abort', refuse));
      });
      void Promise.race([append(options, call), cut]).then(
        (response) => callback(null, response),
        (error: unknown) => callback(errors.asRpcError(error)),
      );
    },
    batchAppend: (call: ServerDuplexStream<Buffer, Buffer>) => {
      void batchAppend(options, call);
    },
    delete: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      void remove(options, call, false).then(
        (response) => callback(null, response),
        (error: unknown) => callback(errors.asRpcError(error)),
      );
    },
    tombstone: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      void remove(options, call, true).then(
        (response) => callback(null, response),
        (error: unknown) => callback(errors.asRpcError(error)),
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

function checkedEvent(raw: RawProposal): ProposedEvent {
  if (raw.type === undefined) throw errors.requiredMetadataMissing('type');
  if (raw.contentType === undefined) throw errors.requiredMetadataMissing('content-type');
  if (raw.id === undefined || raw.type === '' || isZero(raw.id)) throw errors.handlerThrew();
  return toProposedEvent(raw, raw.id, raw.type);
}

async function append(
  { store, access, maxAppendSize }: StreamsServiceOptions,
  call: ServerReadableStream<Buffer, Buffer>,
): Promise<Buffer> {
  const caller = await access.caller(call.metadata);
  let target: { stream: string; expected: ExpectedRevision } | undefined;
  const events: ProposedEvent[] = [];
  let size = 0;
  let memory = 0;
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
        const event = checkedEvent(raw);
        memory += memoryOf(event);
        if (memory > LIMITS.appendMemory) throw errors.maximumAppendSizeExceeded(maxAppendSize);
        events.push(event);
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
