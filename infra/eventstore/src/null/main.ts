#!/usr/bin/env node
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { parseArgs } from 'node:util';
import persistentGrpc from '@eventstore/db-client/generated/persistent_grpc_pb.js';
import persistent from '@eventstore/db-client/generated/persistent_pb.js';
import serverFeaturesGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import serverFeatures from '@eventstore/db-client/generated/serverfeatures_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';

/**
 * What the event store is measured against: the same grpc definitions and client, canned answers, and for appends the
 * least that durability costs: the payload written to a file, and synced once for all that wait.
 */
class NullDisk {
  private readonly descriptor: number;
  private waiting: { bytes: Uint8Array[]; done: () => void }[] = [];
  private busy = false;
  private position = 0;

  constructor(file: string) {
    this.descriptor = fs.openSync(file, 'w');
  }

  write(bytes: Uint8Array[], done: () => void): void {
    this.waiting.push({ bytes, done });
    if (!this.busy) setImmediate(() => this.flush());
  }

  private flush(): void {
    if (this.busy || this.waiting.length === 0) return;
    this.busy = true;
    const batch = this.waiting;
    this.waiting = [];
    const payload = Buffer.concat(batch.flatMap((entry) => entry.bytes));
    fs.write(this.descriptor, payload, 0, payload.length, this.position, (error) => {
      if (error) throw error;
      this.position += payload.length;
      fs.fdatasync(this.descriptor, (failed) => {
        if (failed) throw failed;
        this.busy = false;
        for (const entry of batch) entry.done();
        this.flush();
      });
    });
  }
}

const PAYLOAD = Buffer.from(JSON.stringify({ pad: 'x'.repeat(502) }));

function metadata(map: { set(key: string, value: string): unknown }): void {
  map.set('type', 'bench');
  map.set('created', '17000000000000000');
  map.set('content-type', 'application/json');
}

function identifier(name: Uint8Array): shared.StreamIdentifier {
  return new shared.StreamIdentifier().setStreamName(name);
}

function readResponse(revision: number): streams.ReadResp {
  const event = new streams.ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared.UUID().setString('00000000-0000-4000-8000-000000000000'))
    .setStreamIdentifier(identifier(Buffer.from('null-stream')))
    .setStreamRevision(String(revision))
    .setCommitPosition('1')
    .setPreparePosition('1')
    .setData(PAYLOAD);
  metadata(event.getMetadataMap());
  return new streams.ReadResp().setEvent(
    new streams.ReadResp.ReadEvent().setEvent(event).setCommitPosition('1'),
  );
}

function confirmation(): streams.ReadResp {
  return new streams.ReadResp().setConfirmation(
    new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId('00000000-0000-4000-8000-000000000000'),
  );
}

/** One live subscriber gets an event for every append, as soon as it is synced. */
const subscribers = new Set<ServerWritableStream<streams.ReadReq, streams.ReadResp>>();
/** The event that was appended last, so that a live subscriber recognises it. */
function publish(id: shared.UUID | undefined, name: Uint8Array, data: Uint8Array): void {
  if (subscribers.size === 0) return;
  const event = new streams.ReadResp.ReadEvent.RecordedEvent()
    .setId(id)
    .setStreamIdentifier(identifier(name))
    .setStreamRevision('1')
    .setCommitPosition('1')
    .setPreparePosition('1')
    .setData(data);
  metadata(event.getMetadataMap());
  const response = new streams.ReadResp().setEvent(
    new streams.ReadResp.ReadEvent().setEvent(event).setCommitPosition('1'),
  );
  for (const call of subscribers) call.write(response);
}

async function read(
  call: ServerWritableStream<streams.ReadReq, streams.ReadResp>,
  length: number,
): Promise<void> {
  const options = call.request.getOptions();
  const isSubscription = options?.hasSubscription() === true;
  const fromEnd =
    options?.getAll()?.hasEnd() === true || (isSubscription && options?.getStream()?.hasEnd() === true);
  if (isSubscription) call.write(confirmation());
  const count = isSubscription ? (fromEnd ? 0 : length) : Math.min(length, Number(options?.getCount() ?? 0));
  const canned = readResponse(0);
  for (let n = 0; n < count && !call.cancelled; n++) {
    if (!call.write(canned)) await new Promise((resolve) => call.once('drain', resolve));
  }
  if (!isSubscription) {
    call.end();
    return;
  }
  call.write(new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp()));
  subscribers.add(call);
  call.on('cancelled', () => subscribers.delete(call));
}

function startNullServer(port: number, disk: NullDisk, length: number): Promise<number> {
  let revision = 0;
  const server = new Server({ 'grpc.max_receive_message_length': 17 << 20 });
  server.addService(streamsGrpc.StreamsService, {
    read: (call: ServerWritableStream<streams.ReadReq, streams.ReadResp>) => void read(call, length),
    append: (
      call: ServerReadableStream<streams.AppendReq, streams.AppendResp>,
      callback: sendUnaryData<streams.AppendResp>,
    ) => {
      const bytes: Uint8Array[] = [];
      call.on('data', (request: streams.AppendReq) => {
        const message = request.getProposedMessage();
        if (message !== undefined) bytes.push(message.getData_asU8());
      });
      call.on('end', () =>
        disk.write(bytes, () => {
          const position = new streams.AppendResp.Position().setCommitPosition('1').setPreparePosition('1');
          const success = new streams.AppendResp.Success()
            .setCurrentRevision(String(revision++))
            .setPosition(position);
          callback(null, new streams.AppendResp().setSuccess(success));
        }),
      );
    },
    batchAppend: (call: ServerDuplexStream<streams.BatchAppendReq, streams.BatchAppendResp>) => {
      call.on('data', (request: streams.BatchAppendReq) => {
        const messages = request.getProposedMessagesList();
        disk.write(
          messages.map((message) => message.getData_asU8()),
          () => {
            const position = new shared.AllStreamPosition().setCommitPosition('1').setPreparePosition('1');
            const success = new streams.BatchAppendResp.Success()
              .setCurrentRevision(String(revision++))
              .setPosition(position);
            call.write(
              new streams.BatchAppendResp()
                .setCorrelationId(request.getCorrelationId())
                .setStreamIdentifier(request.getOptions()?.getStreamIdentifier())
                .setSuccess(success),
            );
            const name =
              request.getOptions()?.getStreamIdentifier()?.getStreamName_asU8() ?? new Uint8Array();
            for (const message of messages) publish(message.getId(), name, message.getData_asU8());
          },
        );
      });
      call.on('end', () => call.end());
    },
  });
  server.addService(serverFeaturesGrpc.ServerFeaturesService, {
    getSupportedMethods: (
      _call: ServerUnaryCall<shared.Empty, serverFeatures.SupportedMethods>,
      callback: sendUnaryData<serverFeatures.SupportedMethods>,
    ) => {
      const answer = new serverFeatures.SupportedMethods().setEventStoreServerVersion('23.10.6');
      const method = new serverFeatures.SupportedMethod()
        .setServiceName('event_store.client.streams.streams')
        .setMethodName('batchappend');
      method.addFeatures('deadline_duration');
      answer.addMethods(method);
      callback(null, answer);
    },
  });
  server.addService(persistentGrpc.PersistentSubscriptionsService, {
    create: (
      _call: ServerUnaryCall<persistent.CreateReq, persistent.CreateResp>,
      callback: sendUnaryData<persistent.CreateResp>,
    ) => callback(null, new persistent.CreateResp()),
    delete: (
      _call: ServerUnaryCall<persistent.DeleteReq, persistent.DeleteResp>,
      callback: sendUnaryData<persistent.DeleteResp>,
    ) => callback(null, new persistent.DeleteResp()),
    read: (call: ServerDuplexStream<persistent.ReadReq, persistent.ReadResp>) => persistentRead(call, length),
  });
  return new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
}

/** As many in flight as the buffer allows; each answer lets one more go. */
function persistentRead(
  call: ServerDuplexStream<persistent.ReadReq, persistent.ReadResp>,
  length: number,
): void {
  const event = new persistent.ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared.UUID().setString('00000000-0000-4000-8000-000000000000'))
    .setStreamIdentifier(identifier(Buffer.from('null-stream')))
    .setStreamRevision('1')
    .setCommitPosition('1')
    .setPreparePosition('1')
    .setData(PAYLOAD);
  metadata(event.getMetadataMap());
  const response = new persistent.ReadResp().setEvent(
    new persistent.ReadResp.ReadEvent().setEvent(event).setCommitPosition('1').setRetryCount(0),
  );
  let sent = 0;
  const send = (count: number): void => {
    for (let n = 0; n < count && sent < length; n++, sent++) call.write(response);
  };
  call.on('data', (request: persistent.ReadReq) => {
    const options = request.getOptions();
    if (options !== undefined) {
      call.write(
        new persistent.ReadResp().setSubscriptionConfirmation(
          new persistent.ReadResp.SubscriptionConfirmation().setSubscriptionId('null::null'),
        ),
      );
      send(options.getBufferSize());
    } else {
      send(request.getAck()?.getIdsList().length ?? 0);
    }
  });
  call.on('end', () => call.end());
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '2114' },
      data: { type: 'string' },
      events: { type: 'string', default: '100000' },
    },
  });
  const folder = values.data ?? fs.mkdtempSync(path.join(os.tmpdir(), 'eventstore-null-'));
  fs.mkdirSync(folder, { recursive: true });
  const port = await startNullServer(
    Number(values.port),
    new NullDisk(path.join(folder, 'payload')),
    Number(values.events),
  );
  process.stdout.write(`null ready on 127.0.0.1:${port}\n`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
}

await main();
