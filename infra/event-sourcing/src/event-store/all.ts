import type { EventStoreDBClient } from '@eventstore/db-client';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams, { type ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import type { CallOptions, ClientReadableStream, Metadata } from '@grpc/grpc-js';
import { quiet } from './quiet.js';
import type { StoredEvent } from './stored-event.js';
import { NO_EVENT, readAnswer } from './wire.js';

const { Empty } = shared;
const { Options } = streams.ReadReq;

/** From where on `$all` is read: from its start or its end, or from a position on, with the event that stands there. */
export type From = 'start' | 'end' | bigint;

/** `count` events of `$all` in one direction. */
export function readOfAll(from: From, direction: 'forwards' | 'backwards', count: number): ReadReq {
  const options = optionsOf(from);
  options.setReadDirection(direction === 'forwards' ? 0 : 1);
  options.setCount(String(count));
  options.setNoFilter(new Empty());
  return request(options);
}

/** All events of streams whose names begin so, and those to come. */
export function subscriptionToAll(from: From, prefixes: readonly string[]): ReadReq {
  const options = optionsOf(from);
  options.setSubscription(new Options.SubscriptionOptions());
  const names = new Options.FilterOptions.Expression();
  names.setPrefixList([...prefixes]);
  const filter = new Options.FilterOptions();
  filter.setStreamIdentifier(names);
  filter.setCount(new Empty());
  filter.setCheckpointintervalmultiplier(1);
  options.setFilter(filter);
  return request(options);
}

/**
 * Reads over a connection of `client`, with its credentials, until the read is over or `signal` is aborted.
 * @throws Error of gRPC, with its `code`
 */
export async function* readEvents(
  client: EventStoreDBClient,
  read: ReadReq,
  signal?: AbortSignal,
): AsyncGenerator<StoredEvent> {
  // What the client opens its own reads with. Protected, since nobody else was thought of.
  const { GRPCStreamCreator: opener, callArguments } = client as unknown as Opener;
  const { path, requestSerialize } = streamsGrpc.StreamsService.read;
  const reading = await opener(streamsGrpc.StreamsClient, 'readAll', (streamsClient) =>
    streamsClient.makeServerStreamRequest(
      path,
      requestSerialize,
      readAnswer,
      read,
      ...callArguments({}, { deadline: Number.POSITIVE_INFINITY }),
    ),
  )();
  quiet(reading);
  const cancel = () => reading.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  // It may have been while the connection was made.
  if (signal?.aborted === true) cancel();
  try {
    for await (const answer of reading) {
      if (signal?.aborted === true) return;
      if (answer !== NO_EVENT) yield answer;
    }
  } finally {
    signal?.removeEventListener('abort', cancel);
    // Cancelled in the middle of a turn, grpc-js may go on with a call that it has ended.
    setImmediate(cancel);
  }
}

type StreamsClient = InstanceType<typeof streamsGrpc.StreamsClient>;
type Call = ClientReadableStream<StoredEvent | typeof NO_EVENT>;

interface Opener {
  readonly GRPCStreamCreator: (
    client: typeof streamsGrpc.StreamsClient,
    name: string,
    open: (client: StreamsClient) => Call,
  ) => () => Promise<Call>;
  readonly callArguments: (options: object, callOptions: CallOptions) => [Metadata, CallOptions];
}

function optionsOf(from: From): InstanceType<typeof Options> {
  const all = new Options.AllOptions();
  if (from === 'start') all.setStart(new Empty());
  else if (from === 'end') all.setEnd(new Empty());
  else {
    const position = new Options.Position();
    position.setCommitPosition(String(from));
    position.setPreparePosition(String(from));
    all.setPosition(position);
  }
  const ids = new Options.UUIDOption();
  ids.setString(new Empty());
  const options = new Options();
  options.setAll(all);
  options.setResolveLinks(false);
  options.setUuidOption(ids);
  return options;
}

function request(options: InstanceType<typeof Options>): ReadReq {
  const read = new streams.ReadReq();
  read.setOptions(options);
  return read;
}
