import { Duplex } from 'node:stream';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import emptyPb from 'google-protobuf/google/protobuf/empty_pb.js';
import { expect, it } from 'vitest';
import { Log } from '../storage/log.js';
import { EventStore } from '../streams/event-store.js';
import { SubscriptionHub } from '../streams/subscriptions.js';
import { SystemStreams } from '../streams/system-streams.js';
import { FaultyDisk, random } from '../testing/faulty-disk.js';
import { openAccess } from './access.js';
import { batchAppend } from './batch-append.js';

const MEGABYTE = 1 << 20;

/** A part of an append of its own that is never the last. */
function unfinished(): Buffer {
  const name = new shared.StreamIdentifier().setStreamName(Buffer.from('s'));
  const options = new streams.BatchAppendReq.Options().setStreamIdentifier(name).setAny(new emptyPb.Empty());
  const request = new streams.BatchAppendReq()
    .setCorrelationId(new shared.UUID().setString(crypto.randomUUID()))
    .setOptions(options);
  const message = request.addProposedMessages().setId(new shared.UUID().setString(crypto.randomUUID()));
  message.setCustomMetadata(Buffer.alloc(MEGABYTE, 0x61));
  message.getMetadataMap().set('type', 'test').set('content-type', 'application/octet-stream');
  return Buffer.from(request.serializeBinary());
}

it('what one call leaves unfinished takes 64 megabytes at most', async () => {
  const log = await Log.open({
    files: new FaultyDisk(random(1)),
    directory: '/data',
    segmentSize: MEGABYTE,
    segmentRecords: 1000,
    report: () => {},
  });
  const store = new EventStore(log, { streamCache: 100, idempotencyWindow: 1000, now: () => 1 });
  let sent = 0;
  const refused = new Promise<string>((resolve) => {
    const call = new Duplex({
      objectMode: true,
      // As fast as they are taken, so that none has the time to expire.
      read(): void {
        if (sent < 200) {
          sent++;
          this.push(unfinished());
        }
      },
      write(answer: Buffer, _encoding, done): void {
        resolve(answer.toString('latin1'));
        done();
      },
    });
    const given = {
      store,
      hub: new SubscriptionHub(store),
      systemStreams: new SystemStreams(store, 'off', () => {}),
      access: openAccess,
      maxAppendSize: MEGABYTE,
      closing: new AbortController().signal,
    };
    const made = Object.assign(call, { metadata: new Metadata() });
    void batchAppend(given, made as unknown as ServerDuplexStream<Buffer, Buffer>);
  });
  expect(await refused).toContain('MaximumAppendSizeExceeded');
  expect(sent).toBeGreaterThan(60);
  await log.close();
});
