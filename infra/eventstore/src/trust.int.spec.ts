import * as fs from 'node:fs';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import persistent from '@eventstore/db-client/generated/persistent_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import emptyPb from 'google-protobuf/google/protobuf/empty_pb.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type RunningEventStore, startEventStore } from './server.js';
import type { EventStoreServerOptions } from './settings.js';
import type { Files } from './storage/files.js';
import { type Client, collect, connect, db, disconnect } from './testing/client.js';
import { FaultyDisk, random } from './testing/faulty-disk.js';
import { runCommand, type ServerProcess, startProcess } from './testing/process.js';

const { Empty } = emptyPb;

/** A machine that does other things too is given time; nothing here depends on it. */
vi.setConfig({ testTimeout: 300_000 });

let folder: string;
const servers: RunningEventStore[] = [];
const processes: ServerProcess[] = [];
const clients: Client[] = [];

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'eventstore-trust-'));
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => disconnect(client)));
  await Promise.all(servers.splice(0).map((server) => server.close()));
  await Promise.all(processes.splice(0).map((process) => process.signal('SIGKILL')));
  fs.rmSync(folder, { recursive: true, force: true });
});

async function start(
  options: Partial<EventStoreServerOptions> = {},
  files?: Files,
): Promise<RunningEventStore> {
  const server = await startEventStore(
    { dataDir: path.join(folder, 'data'), port: 0, report: () => {}, ...options },
    files,
  );
  servers.push(server);
  return server;
}

async function startCommand(args: readonly string[]): Promise<ServerProcess> {
  const started = await startProcess(args);
  processes.push(started);
  return started;
}

/** Clients share a connection as long as they are configured alike; `n` makes one of its own. */
function client(port: number, n = 0): Client {
  const made = connect(port, `tls=false&keepAliveInterval=${10_000 + n}`);
  clients.push(made);
  return made;
}

const event = (n: number, pad = ''): ReturnType<typeof db.jsonEvent> =>
  db.jsonEvent({ type: 'test', data: { n, pad } });

/** A message as gRPC frames it. */
function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

function subscribeToAll(): Buffer {
  const { Options } = streams.ReadReq;
  const options = new Options()
    .setAll(new Options.AllOptions().setStart(new shared.Empty()))
    .setSubscription(new Options.SubscriptionOptions())
    .setNoFilter(new shared.Empty())
    .setUuidOption(new Options.UUIDOption().setString(new shared.Empty()));
  return framed(new streams.ReadReq().setOptions(options).serializeBinary());
}

function appendTo(stream: string): Buffer {
  const name = new shared.StreamIdentifier().setStreamName(Buffer.from(stream));
  const options = new streams.AppendReq.Options().setStreamIdentifier(name).setAny(new shared.Empty());
  return framed(new streams.AppendReq().setOptions(options).serializeBinary());
}

function proposal(bytes: number, field: 'data' | 'metadata'): Buffer {
  const message = new streams.AppendReq.ProposedMessage().setId(
    new shared.UUID().setString(crypto.randomUUID()),
  );
  if (field === 'data') message.setData(Buffer.alloc(bytes, 0x61));
  else message.setCustomMetadata(Buffer.alloc(bytes, 0x61));
  message.getMetadataMap().set('type', 'test').set('content-type', 'application/octet-stream');
  return framed(new streams.AppendReq().setProposedMessage(message).serializeBinary());
}

function call(session: http2.ClientHttp2Session, method: string): http2.ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/event_store.client.streams.Streams/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => {});
  return stream;
}

const correlation = crypto.randomUUID();

/** A part of a batch append that is never the last. */
function unfinished(stream: string, metadataBytes = 0): Buffer {
  const name = new shared.StreamIdentifier().setStreamName(Buffer.from(stream));
  const options = new streams.BatchAppendReq.Options().setStreamIdentifier(name).setAny(new Empty());
  const request = new streams.BatchAppendReq()
    .setCorrelationId(new shared.UUID().setString(correlation))
    .setOptions(options);
  const message = request.addProposedMessages().setId(new shared.UUID().setString(crypto.randomUUID()));
  message.setCustomMetadata(Buffer.alloc(metadataBytes, 0x61));
  message.getMetadataMap().set('type', 'test').set('content-type', 'application/octet-stream');
  return framed(request.serializeBinary());
}

/** Sends the first message and then others like `next` until there is an answer, or too many were sent. */
async function sendUntilAnswered(
  port: number,
  method: string,
  first: Buffer,
  next: () => Buffer,
): Promise<void> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const endless = call(session, method);
  let isAnswered = false;
  for (const sign of ['response', 'close'] as const) {
    endless.once(sign, () => {
      isAnswered = true;
    });
  }
  endless.write(first);
  for (let sent = 0; sent < 2000 && !isAnswered; sent++) {
    if (endless.write(next())) continue;
    await new Promise<void>((resolve) => {
      for (const sign of ['drain', 'close', 'response'] as const) endless.once(sign, () => resolve());
    });
  }
  await expect.poll(() => isAnswered, { timeout: 90_000 }).toBe(true);
  session.destroy();
}

const problemOf = async (port: number): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${port}/health/ready`);
  return response.status === 204 ? 'ready' : `${response.status} ${await response.text()}`;
};

describe('a disk that fails', () => {
  it('is full: appends fail and say so, reads go on, and writing resumes when there is room', async () => {
    const disk = new FaultyDisk(random(1));
    const { port } = await start({}, disk);
    const writer = client(port);
    await writer.appendToStream('s', event(1));
    disk.fault = (operation) => (operation === 'write' ? 'no-space' : undefined);
    await expect(writer.appendToStream('s', event(2))).rejects.toThrow(/ENOSPC/);
    expect(await collect(writer.readStream('s'))).toHaveLength(1);
    disk.fault = () => undefined;
    expect((await writer.appendToStream('s', event(3))).nextExpectedRevision).toBe(1n);
  });

  it('fails to sync: nothing is acknowledged or believed until it was read back, and health tells', async () => {
    const disk = new FaultyDisk(random(2));
    const { port } = await start({}, disk);
    const writer = client(port);
    await writer.appendToStream('s', event(1));
    disk.fault = (operation) => (operation === 'sync' ? 'sync-error' : undefined);
    await expect(writer.appendToStream('s', event(2))).rejects.toThrow(/EIO/);
    expect(await problemOf(port)).toMatch(/503 .*Appends are refused: EIO/);
    expect(await collect(writer.readStream('s'))).toHaveLength(1);
    disk.fault = () => undefined;
    const retried = event(3);
    await expect
      .poll(
        () =>
          writer.appendToStream('s', retried).then(
            ({ success }) => success,
            () => false,
          ),
        {
          timeout: 90_000,
        },
      )
      .toBe(true);
    expect(await problemOf(port)).toBe('ready');
    const there = await collect(writer.readStream<{ type: 'test'; data: { n: number } }>('s'));
    expect(there.map((one) => one.event?.data.n)).toEqual([1, 3]);
  });
});

describe('damage in the middle', () => {
  it('stops the start, is named, and can be repaired; what is left is served', async () => {
    const data = path.join(folder, 'data');
    const first = await start({ segmentSize: 64 * 1024 });
    const writer = client(first.port);
    for (let n = 0; n < 60; n++) await writer.appendToStream('orders-1', event(n, 'x'.repeat(3000)));
    await disconnect(clients.pop() ?? writer);
    await first.close();
    servers.length = 0;
    const segment = path.join(data, '00000000.log');
    const bytes = fs.readFileSync(segment);
    const place = bytes.indexOf('xxxx', bytes.length >> 1);
    bytes[place] = 0x79;
    fs.writeFileSync(segment, bytes);

    await expect(startCommand(['--data', data, '--port', '0'])).rejects.toThrow(
      /damage in 00000000\.log at position \d+ \(stream 'orders-1', revision \d+\): .*--repair/,
    );
    const verified = await runCommand(['verify', '--data', data]);
    expect(verified.code).toBe(2);
    expect(verified.stderr).toMatch(/verify 0\/\d+ 00000000\.log/);
    expect(verified.stdout).toMatch(/stream 'orders-1'.*\n.* 1 damaged places/);

    const repaired = await startCommand(['--data', data, '--port', '0', '--repair']);
    expect(fs.readdirSync(path.join(data, 'quarantine')).some((name) => name.endsWith('.bin'))).toBe(true);
    const there = await collect(client(repaired.port).readStream('orders-1'));
    expect(there).toHaveLength(59);
    const again = await runCommand(['verify', '--data', data]);
    expect(again.code).toBe(0);
  });
});

describe('damage that is found beside the work', () => {
  /** A server that runs, with one event of the stream `target` damaged on the disk since. */
  const damaged = async (): Promise<{ port: number; writer: Client }> => {
    const { port } = await start();
    const writer = client(port);
    await writer.appendToStream('target', event(1, 'CANARY'));
    const segment = path.join(folder, 'data', '00000000.log');
    const handle = fs.openSync(segment, 'r+');
    fs.writeSync(handle, 'D', fs.readFileSync(segment).indexOf('CANARY'));
    fs.closeSync(handle);
    return { port, writer };
  };
  const link = () => db.binaryEvent({ type: '$>', data: Buffer.from('0@target') });

  it('is told to the reader and by health, written down, and stops the next start', async () => {
    const { port, writer } = await damaged();
    expect(await problemOf(port)).toBe('ready');
    await expect(collect(writer.readStream('target'))).rejects.toMatchObject({ code: 2 });
    expect(await problemOf(port)).toMatch(/503 .*stream 'target', revision 0.*checksum/);
    expect((await writer.appendToStream('other', event(2))).success).toBe(true);
    await expect
      .poll(() => fs.existsSync(path.join(folder, 'data', 'damage.json')), { timeout: 90_000 })
      .toBe(true);
    await disconnect(clients.pop() ?? writer);
    await servers.pop()?.close();
    await expect(start()).rejects.toThrow(/stream 'target', revision 0.*--repair/);
  });

  it('ends a live subscription that comes upon it by a link, and no append', async () => {
    const { port, writer } = await damaged();
    const subscription = writer.subscribeToStream('links', { resolveLinkTos: true });
    const failed = new Promise((resolve) => subscription.once('error', resolve));
    await new Promise((resolve) => subscription.once('confirmation', resolve));
    await writer.appendToStream('links', event(0));
    await new Promise((resolve) => subscription.once('data', resolve));
    expect((await writer.appendToStream('links', link())).success).toBe(true);
    expect(await failed).toMatchObject({ code: 2 });
    expect((await writer.appendToStream('links', event(2))).nextExpectedRevision).toBe(2n);
    expect(await problemOf(port)).toMatch(/503 .*stream 'target'/);
  });

  it('ends the consumers of a persistent subscription that comes upon it, and not the server', async () => {
    const { writer } = await damaged();
    const settings = db.persistentSubscriptionToStreamSettingsFromDefaults({
      startFrom: 'start',
      resolveLinkTos: true,
    });
    await writer.createPersistentSubscriptionToStream('links', 'live', settings);
    const live = writer.subscribeToPersistentSubscriptionToStream('links', 'live');
    const failed = new Promise((resolve) => live.once('error', resolve));
    await new Promise((resolve) => live.once('confirmation', resolve));
    expect((await writer.appendToStream('links', link())).success).toBe(true);
    expect(await failed).toMatchObject({ code: 2 });
    // A newcomer makes it try again, and is told too.
    const again = writer.subscribeToPersistentSubscriptionToStream('links', 'live');
    expect(await new Promise((resolve) => again.once('error', resolve))).toMatchObject({ code: 2 });
    expect((await writer.appendToStream('links', event(2))).success).toBe(true);
  });
});

describe('the commands', () => {
  it('back up a folder that is in use, and restore it, with progress', async () => {
    const server = await startCommand(['--data', path.join(folder, 'data'), '--port', '0']);
    const writer = client(server.port);
    for (let n = 0; n < 20; n++) await writer.appendToStream('s', event(n, 'x'.repeat(5000)));
    const to = path.join(folder, 'backup');
    const first = await runCommand(['backup', '--data', path.join(folder, 'data'), '--to', to]);
    expect(first).toMatchObject({ code: 0, stderr: expect.stringMatching(/100% 0/) });
    const second = await runCommand(['backup', '--data', path.join(folder, 'data'), '--to', to]);
    expect(second.stdout).toMatch(/^0 bytes copied, [1-9]\d+ were there/);
    const restored = path.join(folder, 'restored');
    const third = await runCommand(['restore', '--from', to, '--data', restored]);
    expect(third).toMatchObject({ code: 0, stderr: expect.stringMatching(/100% 0/) });
    const other = await startCommand(['--data', restored, '--port', '0']);
    expect(await collect(client(other.port).readStream('s'))).toHaveLength(20);
    const refused = await runCommand(['restore', '--from', to, '--data', restored]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('into an empty folder') });
  });
});

describe('memory', () => {
  it('is bounded for readers that do not read, idle subscribers and connections that say nothing', async () => {
    const server = await startCommand(['--data', path.join(folder, 'data'), '--port', '0']);
    const writer = client(server.port);
    await writer.appendToStream('s', event(0));

    // Eighty subscribers a connection: a real one takes at most a hundred calls.
    for (let n = 0; n < 4; n++) {
      const idle = client(server.port, n + 1);
      const confirmed = Array.from({ length: 80 }, (_, k) => {
        const subscription = idle.subscribeToStream(`idle-${n}-${k}`, { fromRevision: 'end' });
        subscription.on('error', () => {});
        return new Promise((resolve) => subscription.once('confirmation', resolve));
      });
      await Promise.all(confirmed);
    }
    const silent = Array.from({ length: 200 }, () => net.connect(server.port, '127.0.0.1'));
    for (const socket of silent) socket.on('error', () => {});

    const sessions: http2.ClientHttp2Session[] = [];
    for (let n = 0; n < 20; n++) {
      // A window that is never opened again: what does not fit into it has to wait in the server, or not be read.
      const session = http2.connect(`http://127.0.0.1:${server.port}`, {
        settings: { initialWindowSize: 1024 },
      });
      session.on('error', () => {});
      sessions.push(session);
      const subscription = call(session, 'Read');
      subscription.end(subscribeToAll());
      await new Promise((resolve) => subscription.once('response', resolve));
    }
    const before = server.memory();
    const total = 32;
    for (let n = 0; n < total; n++) {
      await writer.appendToStream('s', [event(n, 'x'.repeat(500_000)), event(n, 'x'.repeat(500_000))]);
    }
    // Unbounded, twenty readers of 32 MB each would hold 640 MB.
    expect(server.memory() - before).toBeLessThan(300);
    const info = await fetch(`http://127.0.0.1:${server.port}/stats`);
    expect(await info.json()).toMatchObject({ es: { queue: { subscriptions: 340 } } });
    for (const session of sessions) session.destroy();
    for (const socket of silent) socket.destroy();
    expect(
      await collect(writer.readStream('s', { direction: 'backwards', fromRevision: 'end', maxCount: 1 })),
    ).toHaveLength(1);
  });

  it('is bounded for a consumer that asks for much and does not read, and it gets everything in the end', async () => {
    const { port } = await start();
    const writer = client(port);
    const total = 2000;
    const size = 10_000;
    for (let n = 0; n < total; n += 50) {
      await writer.appendToStream(
        's',
        Array.from({ length: 50 }, (_, k) => event(n + k, 'x'.repeat(size))),
      );
    }
    await writer.createPersistentSubscriptionToStream(
      's',
      'g',
      db.persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: 'start' }),
    );
    const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1024 } });
    session.on('error', () => {});
    const stream = session.request({
      ':method': 'POST',
      ':path': '/event_store.client.persistent_subscriptions.PersistentSubscriptions/Read',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let received = 0;
    const options = new persistent.ReadReq.Options()
      .setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from('s')))
      .setGroupName('g')
      .setBufferSize(100_000)
      .setUuidOption(new persistent.ReadReq.Options.UUIDOption().setString(new shared.Empty()));
    stream.write(framed(new persistent.ReadReq().setOptions(options).serializeBinary()));
    await new Promise((resolve) => stream.once('response', resolve));
    const inFlight = async (): Promise<number> =>
      (await writer.getPersistentSubscriptionToStreamInfo('s', 'g')).stats.totalInFlightMessages;
    await expect.poll(inFlight, { timeout: 90_000 }).toBeGreaterThan(50);
    // More than a megabyte is not sent before it is read.
    expect(await inFlight()).toBeLessThan((2 << 20) / size);
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    session.settings({ initialWindowSize: 1 << 24 });
    session.setLocalWindowSize(1 << 24);
    await expect.poll(() => received, { timeout: 90_000 }).toBeGreaterThan(total * size);
    expect(await inFlight()).toBe(total);
    session.destroy();
  });

  it('is not taken by a request that is too large', async () => {
    const server = await startCommand(['--data', path.join(folder, 'data'), '--port', '0']);
    const writer = client(server.port);
    await expect(writer.appendToStream('s', event(1, 'x'.repeat(2 << 20)))).rejects.toThrow(
      db.MaxAppendSizeExceededError,
    );
    // Beyond what one gRPC message may have.
    const other = client(server.port);
    await expect(other.appendToStream('s', event(1, 'x'.repeat(20 << 20)))).rejects.toMatchObject({
      code: 8,
    });
    // Without an end: the answer comes when a limit is reached.
    const before = server.memory();
    await sendUntilAnswered(server.port, 'Append', appendTo('s'), () => proposal(60_000, 'data'));
    await sendUntilAnswered(server.port, 'Append', appendTo('s'), () => proposal(600_000, 'metadata'));
    await sendUntilAnswered(server.port, 'BatchAppend', unfinished('s'), () => unfinished('s', 600_000));
    expect(server.memory() - before).toBeLessThan(400);
    await expect(collect(writer.readStream('s'))).rejects.toThrow(db.StreamNotFoundError);
  });
});
