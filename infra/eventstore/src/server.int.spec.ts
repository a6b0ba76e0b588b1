import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as https from 'node:https';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type RunningEventStore, startEventStore } from './server.js';
import type { EventStoreServerOptions } from './settings.js';
import { backup, restore } from './storage/backup.js';
import { disk } from './storage/files.js';
import { FolderInUse } from './storage/folder-lock.js';
import { verifyFolder } from './storage/verify.js';
import { type Client, collect, connect, db, disconnect } from './testing/client.js';
import { startProcess } from './testing/process.js';

/** A machine that does other things too is given time; nothing here depends on it. */
vi.setConfig({ testTimeout: 300_000 });

let folder: string;
const servers: RunningEventStore[] = [];
const clients: Client[] = [];

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'eventstore-int-'));
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => disconnect(client)));
  await Promise.all(servers.splice(0).map((server) => server.close()));
  fs.rmSync(folder, { recursive: true, force: true });
});

async function start(options: Partial<EventStoreServerOptions> = {}): Promise<RunningEventStore> {
  const server = await startEventStore({
    dataDir: path.join(folder, 'data'),
    port: 0,
    report: () => {},
    ...options,
  });
  servers.push(server);
  return server;
}

function client(port: number, options?: string): Client {
  const made = connect(port, options);
  clients.push(made);
  return made;
}

const event = (n: number, pad = ''): ReturnType<typeof db.jsonEvent> =>
  db.jsonEvent({ type: 'test', data: { n, pad } });

describe('a data folder', () => {
  it('is as it was after a restart', async () => {
    const first = await start();
    const writer = client(first.port);
    const sent = Array.from({ length: 250 }, (_, n) => event(n));
    for (let n = 0; n < sent.length; n += 50) await writer.appendToStream('s', sent.slice(n, n + 50));
    await writer.setStreamMetadata('s', { maxCount: 200 });
    await writer.createPersistentSubscriptionToStream(
      's',
      'g',
      db.persistentSubscriptionToStreamSettingsFromDefaults(),
    );
    await disconnect(writer);
    await first.close();
    const second = await start();
    const reader = client(second.port);
    const there = await collect(reader.readStream('s'));
    expect(there.map((one) => one.event?.id)).toEqual(sent.slice(50).map((one) => one.id));
    expect((await reader.listAllPersistentSubscriptions()).map((one) => one.groupName)).toEqual(['g']);
    // A retry is recognised after the restart too.
    const again = await reader.appendToStream('s', sent.slice(240));
    expect(again.nextExpectedRevision).toBe(249n);
  });

  it('belongs to one server at a time', async () => {
    await start();
    await expect(start()).rejects.toThrow(FolderInUse);
    await expect(start()).rejects.toThrow(/in use by another event store/);
  });

  it('can be backed up while it is written to, incrementally, and restored', async () => {
    const server = await start({ segmentSize: 64 * 1024 });
    const writer = client(server.port);
    const dataDir = path.join(folder, 'data');
    const backupDir = path.join(folder, 'backup');
    const append = async (from: number, count: number): Promise<void> => {
      for (let n = from; n < from + count; n++) await writer.appendToStream('s', event(n, 'x'.repeat(500)));
    };
    await append(0, 100);
    const writing = append(100, 150);
    const first = await backup({ files: disk, from: dataDir, to: backupDir });
    await writing;
    const second = await backup({ files: disk, from: dataDir, to: backupDir });
    expect(second.reusedBytes).toBeGreaterThan(0);
    expect(second.copiedBytes).toBeLessThan(first.copiedBytes + second.copiedBytes);
    expect(verifyFolder({ files: disk, directory: backupDir }).damage).toEqual([]);
    const restored = path.join(folder, 'restored');
    await restore({ files: disk, from: backupDir, to: restored });
    const other = await start({ dataDir: restored });
    const there = await collect(client(other.port).readStream<{ type: 'test'; data: { n: number } }>('s'));
    expect(there.map((one) => one.event?.data.n)).toEqual(Array.from({ length: 250 }, (_, n) => n));
  });

  it('holds no byte of a tombstoned stream after a scavenge, also when the server is asked over gRPC', async () => {
    const server = await start({ segmentSize: 64 * 1024 });
    const writer = client(server.port);
    for (let n = 0; n < 200; n++) {
      await writer.appendToStream('keep', event(n, 'KEPT-CANARY'));
      await writer.appendToStream('erase', event(n, 'ERASED-CANARY'));
    }
    await writer.tombstoneStream('erase');
    await new Promise<void>((resolve, reject) => {
      scavengeClient(server.port).startScavenge((error) => (error === null ? resolve() : reject(error)));
    });
    await expect.poll(() => count(path.join(folder, 'data'), 'ERASED-CANARY'), { timeout: 90_000 }).toBe(0);
    expect(count(path.join(folder, 'data'), 'KEPT-CANARY')).toBe(200);
    expect(await collect(writer.readStream('keep'))).toHaveLength(200);
    await expect(collect(writer.readStream('erase'))).rejects.toThrow(db.StreamDeletedError);
    await expect
      .poll(async () => (await collect(writer.readStream('$scavenges'))).length, { timeout: 90_000 })
      .toBe(2);
  });
});

/** How often a text occurs in the files of a folder. */
function count(directory: string, text: string): number {
  let found = 0;
  for (const name of fs.readdirSync(directory)) {
    found += fs.readFileSync(path.join(directory, name)).toString('latin1').split(text).length - 1;
  }
  return found;
}

function scavengeClient(port: number): { startScavenge(done: (error: Error | null) => void): void } {
  return {
    startScavenge: (done) => {
      void import('@grpc/grpc-js').then(async (grpc) => {
        const service = (await import('@eventstore/db-client/generated/operations_grpc_pb.js')).default;
        const pb = (await import('@eventstore/db-client/generated/operations_pb.js')).default;
        const operations = new service.OperationsClient(
          `127.0.0.1:${port}`,
          grpc.credentials.createInsecure(),
        );
        operations.startScavenge(new pb.StartScavengeReq(), (error) => {
          operations.close();
          done(error);
        });
      });
    },
  };
}

describe('the port', () => {
  it('answers HTTP beside gRPC', async () => {
    const { port } = await start();
    await client(port).appendToStream('s', event(1));
    const get = (where: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${where}`);
    expect((await get('/health/live')).status).toBe(204);
    expect((await get('/health/ready')).status).toBe(204);
    expect(await (await get('/info')).json()).toMatchObject({ state: 'leader' });
    expect(await (await get('/gossip')).json()).toMatchObject({
      members: [{ state: 'Leader', httpEndPointPort: port }],
    });
    expect(await (await get('/stats')).json()).toMatchObject({ es: { writer: { appendedEvents: 1 } } });
    expect(await (await get('/metrics')).text()).toMatch(/^eventstore_events_appended_total 1$/m);
    expect(await (await get('/ping')).json()).toMatchObject({ text: 'Ping request successfully handled' });
    expect((await get('/nothing')).status).toBe(404);
    const nowhere = await fetch(`http://127.0.0.1:${port}/nothing`, { method: 'POST' });
    expect(nowhere.status).toBe(404);
  });

  it('takes an event over HTTP', async () => {
    const { port } = await start();
    const post = (stream: string, headers: Record<string, string>, body = '{"n":1}'): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/streams/${stream}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      });
    const id = '5f8a3c1e-0000-4000-8000-000000000001';
    const sent = await post('a%20b', { 'ES-EventType': 'posted', 'ES-EventId': id });
    expect(sent.status).toBe(201);
    expect(sent.headers.get('location')).toBe('/streams/a%20b/0');
    expect((await post('a%20b', { 'ES-EventType': 'posted', 'ES-EventId': id })).status).toBe(201);
    const there = await collect(client(port).readStream('a b'));
    expect(there.map(({ event: one }) => [one?.id, one?.type, one?.isJson, one?.data])).toEqual([
      [id, 'posted', true, { n: 1 }],
    ]);
    const wrong = await post('a%20b', { 'ES-EventType': 'posted', 'ES-ExpectedVersion': '5' });
    expect([wrong.status, wrong.headers.get('es-currentversion')]).toEqual([400, '0']);
    // Without its own header no page of another origin can post.
    expect((await post('a%20b', {})).status).toBe(400);
    expect((await post('a%20b', { 'ES-EventType': 'posted' }, 'x'.repeat(2 << 20))).status).toBe(413);
    await client(port).tombstoneStream('a b');
    expect((await post('a%20b', { 'ES-EventType': 'posted' })).status).toBe(410);
  });

  it('is named when it is taken', async () => {
    const taken = net.createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(start({ port })).rejects.toThrow(`port ${port} on 127.0.0.1 is taken`);
    await new Promise((resolve) => taken.close(resolve));
    // The folder is free again.
    await start();
  });

  it('drops connections that say nothing sensible', async () => {
    const { port } = await start();
    const socket = net.connect(port, '127.0.0.1');
    socket.write('nonsense\r\n\r\n');
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
    expect((await fetch(`http://127.0.0.1:${port}/health/live`)).status).toBe(204);
  });
});

describe('what the client suites of other languages found', () => {
  it('metadata of a tombstoned stream can still be written, if there was some, and not be read', async () => {
    const { port } = await start();
    const writer = client(port);
    await writer.appendToStream('s', event(1));
    await writer.setStreamMetadata('s', { maxCount: 5 });
    await writer.tombstoneStream('s');
    expect((await writer.setStreamMetadata('s', { maxCount: 6 }, { expectedRevision: 0n })).success).toBe(
      true,
    );
    await expect(writer.getStreamMetadata('s')).rejects.toThrow(db.StreamDeletedError);
    await expect(writer.appendToStream('s', event(2))).rejects.toThrow(db.StreamDeletedError);
  });

  it('a server that stops tells an append whose parts are still coming that it is unavailable', async () => {
    const server = await start();
    const grpc = await import('@grpc/grpc-js');
    const service = (await import('@eventstore/db-client/generated/streams_grpc_pb.js')).default;
    const pb = (await import('@eventstore/db-client/generated/streams_pb.js')).default;
    const { default: shared } = await import('@eventstore/db-client/generated/shared_pb.js');
    const raw = new service.StreamsClient(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure());
    const answer = new Promise<number | undefined>((resolve) => {
      const call = raw.append((error) => resolve(error?.code));
      const name = new shared.StreamIdentifier().setStreamName(Buffer.from('s'));
      const options = new pb.AppendReq.Options().setStreamIdentifier(name).setAny(new shared.Empty());
      call.write(new pb.AppendReq().setOptions(options));
    });
    // Its first part has arrived once a call that was made after it is answered.
    await client(server.port).appendToStream('other', event(1));
    await server.close();
    expect(await answer).toBe(grpc.status.UNAVAILABLE);
    raw.close();
  });

  it('a consumer strategy that is not known is refused with its name', async () => {
    const { port } = await start();
    const grpc = await import('@grpc/grpc-js');
    const service = (await import('@eventstore/db-client/generated/persistent_grpc_pb.js')).default;
    const pb = (await import('@eventstore/db-client/generated/persistent_pb.js')).default;
    const { default: shared } = await import('@eventstore/db-client/generated/shared_pb.js');
    const raw = new service.PersistentSubscriptionsClient(
      `127.0.0.1:${port}`,
      grpc.credentials.createInsecure(),
    );
    const settings = new pb.CreateReq.Settings()
      .setHistoryBufferSize(500)
      .setReadBatchSize(20)
      .setConsumerStrategy('Nearest');
    const all = new pb.CreateReq.AllOptions().setStart(new shared.Empty()).setNoFilter(new shared.Empty());
    const options = new pb.CreateReq.Options().setAll(all).setGroupName('g').setSettings(settings);
    const refused = await new Promise<string | undefined>((resolve) => {
      raw.create(new pb.CreateReq().setOptions(options), (error) => resolve(error?.details));
    });
    raw.close();
    expect(refused).toBe(
      "Subscription group g on stream $all failed: 'Consumer strategy Nearest does not exist.'",
    );
  });
});

describe('who may do what', () => {
  it('stays on loopback without TLS and accounts', async () => {
    await expect(start({ host: '0.0.0.0' })).rejects.toThrow(/takes tls/);
    await expect(start({ auth: true })).rejects.toThrow(/EVENTSTORE_ADMIN_PASSWORD/);
  });

  it('lets nobody in without credentials, and enforces ACLs, over TLS', async () => {
    const key = path.join(folder, 'key.pem');
    const cert = path.join(folder, 'cert.pem');
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const request = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '2',
    ];
    execFileSync('openssl', [...request, ...subject], { stdio: 'ignore' });
    const tls = { cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
    const { port } = await start({ tls, adminPassword: 'first-secret', opsPassword: 'ops-secret' });
    const secured = (credentials: string): Client => {
      const made = db.EventStoreDBClient.connectionString(
        `esdb://${credentials}localhost:${port}?tls=true&tlsCAFile=${cert}`,
      );
      clients.push(made);
      return made;
    };
    const admin = secured('admin:first-secret@');
    const ops = secured('ops:ops-secret@');
    const stranger = secured('');
    await admin.appendToStream('s', event(1));
    await expect(collect(stranger.readStream('s'))).rejects.toThrow(db.AccessDeniedError);
    await expect(collect(secured('admin:wrong@').readStream('s'))).rejects.toMatchObject({ code: 16 });
    expect(await collect(ops.readStream('s'))).toHaveLength(1);
    await admin.setStreamMetadata('s', { acl: { readRoles: ['$admins', 'reader'] } });
    await expect(collect(ops.readStream('s'))).rejects.toThrow(db.AccessDeniedError);
    await expect(collect(ops.readAll())).rejects.toThrow(db.AccessDeniedError);
    await ops.createPersistentSubscriptionToStream(
      's',
      'g',
      db.persistentSubscriptionToStreamSettingsFromDefaults(),
    );
    await expect(
      stranger.createPersistentSubscriptionToStream(
        's',
        'h',
        db.persistentSubscriptionToStreamSettingsFromDefaults(),
      ),
    ).rejects.toThrow(db.AccessDeniedError);
    expect(await collect(admin.readStream('s'))).toHaveLength(1);
    const ca = tls.cert;
    expect(await status({ port, path: '/health/live', ca })).toBe(204);
    expect(await status({ port, path: '/metrics', ca })).toBe(401);
    expect(await status({ port, path: '/metrics', ca, auth: 'ops:ops-secret' })).toBe(200);
  });
});

function status(options: https.RequestOptions): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    https
      .get({ host: 'localhost', agent: false, ...options }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
      .on('error', reject);
  });
}

describe('readers that do not keep up', () => {
  it('cost bounded memory, and get everything in the end', async () => {
    const { port } = await start();
    const writer = client(port);
    const slow = client(port);
    const subscription = slow.subscribeToStream('s', { fromRevision: 'start' });
    const seen: number[] = [];
    subscription.on('data', ({ event: one }) => {
      seen.push(Number(one?.revision));
    });
    await new Promise((resolve) => subscription.once('confirmation', resolve));
    subscription.pause();
    const total = 3000;
    for (let n = 0; n < total; n += 100) {
      await writer.appendToStream(
        's',
        Array.from({ length: 100 }, (_, k) => event(n + k, 'x'.repeat(2000))),
      );
    }
    subscription.resume();
    await expect.poll(() => seen.length, { timeout: 90_000 }).toBe(total);
    expect(seen).toEqual(Array.from({ length: total }, (_, n) => n));
    await subscription.unsubscribe();
  });
});

describe('the command', () => {
  it('says one line when it is ready, and ends cleanly on SIGTERM', async () => {
    const server = await startProcess(['--data', path.join(folder, 'data'), '--port', '0']);
    const writer = client(server.port);
    await writer.appendToStream('s', event(1));
    await disconnect(writer);
    expect(await server.signal('SIGTERM')).toBe(0);
    expect(server.output()).toBe(`eventstore ready on 127.0.0.1:${server.port}\n`);
  });

  it('starts again after kill -9, and refuses a folder that is in use', async () => {
    const args = ['--data', path.join(folder, 'data'), '--port', '0'];
    const killed = await startProcess(args);
    await expect(startProcess(args)).rejects.toThrow(
      /ended with code 1: eventstore: the data folder .* is in use/,
    );
    await killed.signal('SIGKILL');
    const again = await startProcess(args);
    expect(await again.signal('SIGINT')).toBe(0);
  });

  it('names an option that is wrong', async () => {
    await expect(startProcess(['--data', folder, '--port', 'x'])).rejects.toThrow(/--port is 'x'; it takes/);
    await expect(startProcess([])).rejects.toThrow(/--data DIR is missing/);
  });
});
