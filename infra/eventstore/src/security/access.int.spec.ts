import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import operationsGrpc from '@eventstore/db-client/generated/operations_grpc_pb.js';
import persistentGrpc from '@eventstore/db-client/generated/persistent_grpc_pb.js';
import persistent from '@eventstore/db-client/generated/persistent_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import usersGrpc from '@eventstore/db-client/generated/users_grpc_pb.js';
import users from '@eventstore/db-client/generated/users_pb.js';
import { credentials, Metadata } from '@grpc/grpc-js';
import emptyPb from 'google-protobuf/google/protobuf/empty_pb.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningEventStore, startEventStore } from '../server.js';

/** Who calls: without an account, with one, in a group, running the server, administrator. */
type Who = 'stranger' | 'ann' | 'staff' | 'ops' | 'admin';
const EVERYONE: readonly Who[] = ['stranger', 'ann', 'staff', 'ops', 'admin'];
const KNOWN: readonly Who[] = ['ann', 'staff', 'ops', 'admin'];

const ACL = JSON.stringify({
  $acl: { $r: 'readers', $w: ['writers'], $d: [], $mr: 'readers', $mw: 'ann' },
});

let folder: string;
let server: RunningEventStore;
const close: (() => void)[] = [];

const basic = (login: string, password: string): string =>
  `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}`;

function as(who: Who, password = `${who}-secret`): Metadata {
  const metadata = new Metadata();
  if (who !== 'stranger') metadata.set('authorization', basic(who, password));
  return metadata;
}

let clients: {
  streams: InstanceType<typeof streamsGrpc.StreamsClient>;
  persistent: InstanceType<typeof persistentGrpc.PersistentSubscriptionsClient>;
  users: InstanceType<typeof usersGrpc.UsersClient>;
  operations: InstanceType<typeof operationsGrpc.OperationsClient>;
};

/** The status of a call that is answered once. */
const status = (call: (done: (error: { code: number } | null) => void) => void): Promise<number> =>
  new Promise((resolve) => call((error) => resolve(error?.code ?? 0)));

const named = (stream: string): shared.StreamIdentifier =>
  new shared.StreamIdentifier().setStreamName(Buffer.from(stream));

function proposal(data: string, type = 'test'): streams.AppendReq.ProposedMessage {
  const message = new streams.AppendReq.ProposedMessage()
    .setId(new shared.UUID().setString(crypto.randomUUID()))
    .setData(Buffer.from(data));
  const content = type === '$>' ? 'application/octet-stream' : 'application/json';
  message.getMetadataMap().set('type', type).set('content-type', content);
  return message;
}

const append = (metadata: Metadata, stream: string, data = '{}', type = 'test'): Promise<number> =>
  status((done) => {
    const call = clients.streams.append(metadata, done);
    call.write(
      new streams.AppendReq().setOptions(
        new streams.AppendReq.Options().setStreamIdentifier(named(stream)).setAny(new shared.Empty()),
      ),
    );
    call.write(new streams.AppendReq().setProposedMessage(proposal(data, type)));
    call.end();
  });

function batchAppend(metadata: Metadata, stream: string): Promise<number> {
  const { Options } = streams.BatchAppendReq;
  const message = new streams.BatchAppendReq.ProposedMessage()
    .setId(new shared.UUID().setString(crypto.randomUUID()))
    .setData(Buffer.from('{}'));
  message.getMetadataMap().set('type', 'test').set('content-type', 'application/json');
  const request = new streams.BatchAppendReq()
    .setCorrelationId(new shared.UUID().setString(crypto.randomUUID()))
    .setOptions(new Options().setStreamIdentifier(named(stream)).setAny(new emptyPb.Empty()))
    .setProposedMessagesList([message])
    .setIsFinal(true);
  return new Promise((resolve) => {
    const call = clients.streams.batchAppend(metadata);
    call.on('data', (answer: streams.BatchAppendResp) => {
      resolve(answer.hasSuccess() ? 0 : (answer.getError()?.getCode() ?? -1));
      call.cancel();
    });
    call.on('error', (error: Error & { code?: number }) => resolve(error.code ?? -1));
    call.write(request);
  });
}

const remove = (metadata: Metadata, stream: string): Promise<number> =>
  status((done) => {
    const options = new streams.DeleteReq.Options()
      .setStreamIdentifier(named(stream))
      .setAny(new shared.Empty());
    clients.streams.delete(new streams.DeleteReq().setOptions(options), metadata, done);
  });

/** The status of a read, and the data of the events that were seen; of a link alone nothing. */
function read(metadata: Metadata, stream: string): Promise<{ code: number; data: string[] }> {
  const { Options } = streams.ReadReq;
  const options = new Options()
    .setStream(new Options.StreamOptions().setStreamIdentifier(named(stream)).setStart(new shared.Empty()))
    .setCount('100')
    .setResolveLinks(true)
    .setNoFilter(new shared.Empty())
    .setUuidOption(new Options.UUIDOption().setString(new shared.Empty()));
  const data: string[] = [];
  return new Promise((resolve) => {
    const call = clients.streams.read(new streams.ReadReq().setOptions(options), metadata);
    call.on('data', (message: streams.ReadResp) => {
      const event = message.getEvent()?.getEvent();
      if (event !== undefined) data.push(Buffer.from(event.getData_asU8()).toString());
    });
    call.on('error', (error: Error & { code?: number }) => resolve({ code: error.code ?? -1, data }));
    call.on('end', () => resolve({ code: 0, data }));
  });
}

function consume(metadata: Metadata, stream: string): Promise<number> {
  const options = new persistent.ReadReq.Options()
    .setStreamIdentifier(named(stream))
    .setGroupName('g')
    .setBufferSize(10)
    .setUuidOption(new persistent.ReadReq.Options.UUIDOption().setString(new shared.Empty()));
  return new Promise((resolve) => {
    const call = clients.persistent.read(metadata);
    call.on('data', () => {
      resolve(0);
      call.cancel();
    });
    call.on('error', (error: Error & { code?: number }) => resolve(error.code ?? -1));
    call.write(new persistent.ReadReq().setOptions(options));
  });
}

let groups = 0;
function createGroup(metadata: Metadata, stream: string, group = `group-${groups++}`): Promise<number> {
  const settings = new persistent.CreateReq.Settings()
    .setHistoryBufferSize(500)
    .setReadBatchSize(20)
    .setConsumerStrategy('RoundRobin');
  const source = new persistent.CreateReq.StreamOptions()
    .setStreamIdentifier(named(stream))
    .setStart(new shared.Empty());
  const options = new persistent.CreateReq.Options()
    .setStream(source)
    .setGroupName(group)
    .setSettings(settings);
  return status((done) =>
    clients.persistent.create(new persistent.CreateReq().setOptions(options), metadata, done),
  );
}

function createUser(
  metadata: Metadata,
  login: string,
  password: string,
  inGroups: string[],
): Promise<number> {
  const options = new users.CreateReq.Options()
    .setLoginName(login)
    .setFullName(login)
    .setPassword(password)
    .setGroupsList(inGroups);
  return status((done) => clients.users.create(new users.CreateReq().setOptions(options), metadata, done));
}

async function post(who: Who, stream: string): Promise<number> {
  const headers: Record<string, string> = { 'content-type': 'application/json', 'ES-EventType': 'test' };
  if (who !== 'stranger') headers.authorization = basic(who, `${who}-secret`);
  const url = `http://127.0.0.1:${server.port}/streams/${encodeURIComponent(stream)}`;
  const response = await fetch(url, { method: 'POST', headers, body: '{}' });
  return response.status === 201 ? 0 : response.status === 401 ? 7 : response.status;
}

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'eventstore-access-'));
  server = await startEventStore({
    dataDir: folder,
    port: 0,
    auth: true,
    adminPassword: 'admin-secret',
    opsPassword: 'ops-secret',
    report: () => {},
  });
  const address = `127.0.0.1:${server.port}`;
  const insecure = credentials.createInsecure();
  clients = {
    streams: new streamsGrpc.StreamsClient(address, insecure),
    persistent: new persistentGrpc.PersistentSubscriptionsClient(address, insecure),
    users: new usersGrpc.UsersClient(address, insecure),
    operations: new operationsGrpc.OperationsClient(address, insecure),
  };
  close.push(...Object.values(clients).map((client) => () => client.close()));
  const admin = as('admin');
  expect(await createUser(admin, 'ann', 'ann-secret', [])).toBe(0);
  expect(await createUser(admin, 'staff', 'staff-secret', ['readers', 'writers'])).toBe(0);
  expect(await append(admin, 'closed', '{"secret":1}')).toBe(0);
  expect(await append(admin, 'closed-too')).toBe(0);
  for (const stream of ['closed', 'closed-too']) {
    expect(await append(admin, `$$${stream}`, ACL, '$metadata')).toBe(0);
  }
  expect(await append(admin, 'links', '0@closed', '$>')).toBe(0);
  expect(await append(admin, 'open')).toBe(0);
  expect(await append(admin, '$own')).toBe(0);
  for (const stream of ['closed', 'open']) expect(await createGroup(admin, stream, 'g')).toBe(0);
});

afterAll(async () => {
  for (const one of close) one();
  await server.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** What is asked for, and who is let in. */
const RULES: readonly [string, (who: Who) => Promise<number>, readonly Who[]][] = [
  ['reads a stream that is everyone’s', async (who) => (await read(as(who), 'open')).code, KNOWN],
  ['reads a closed stream', async (who) => (await read(as(who), 'closed')).code, ['staff', 'admin']],
  ['reads a system stream', async (who) => (await read(as(who), '$own')).code, ['admin']],
  [
    'reads the metadata of a closed stream',
    async (who) => (await read(as(who), '$$closed')).code,
    ['staff', 'admin'],
  ],
  ['appends', (who) => append(as(who), 'open'), KNOWN],
  ['appends to a closed stream', (who) => append(as(who), 'closed'), ['staff', 'admin']],
  ['appends to a closed stream in a batch', (who) => batchAppend(as(who), 'closed'), ['staff', 'admin']],
  ['appends to a system stream in a batch', (who) => batchAppend(as(who), '$own'), ['admin']],
  ['posts to a closed stream', (who) => post(who, 'closed'), ['staff', 'admin']],
  ['consumes a closed stream', (who) => consume(as(who), 'closed'), ['staff', 'admin']],
  ['makes a persistent subscription', (who) => createGroup(as(who), 'open'), ['ops', 'admin']],
  [
    'operates the server',
    (who) => status((done) => clients.operations.mergeIndexes(new shared.Empty(), as(who), done)),
    ['ops', 'admin'],
  ],
  ['makes an account', (who) => createUser(as(who), `by-${who}`, 'a password', []), ['admin']],
  ['writes metadata', (who) => append(as(who), '$$closed', ACL, '$metadata'), ['ann', 'admin']],
  // Administrators come last: what they may delete is gone.
  ['deletes a closed stream', (who) => remove(as(who), 'closed-too'), ['admin']],
];

for (const [what, attempt, allowed] of RULES) {
  it(`${what}: ${allowed.join(', ')}`, async () => {
    for (const who of EVERYONE)
      expect([who, await attempt(who)]).toEqual([who, allowed.includes(who) ? 0 : 7]);
  });
}

it('a link shows its event only to those who may read the stream of the event', async () => {
  expect(await read(as('ann'), 'links')).toEqual({ code: 0, data: [] });
  expect(await read(as('staff'), 'links')).toEqual({ code: 0, data: ['{"secret":1}'] });
});

it('an account that is disabled, or has another password, is no account', async () => {
  const admin = as('admin');
  const disable = new users.DisableReq().setOptions(new users.DisableReq.Options().setLoginName('ann'));
  const enable = new users.EnableReq().setOptions(new users.EnableReq.Options().setLoginName('ann'));
  const reset = new users.ResetPasswordReq().setOptions(
    new users.ResetPasswordReq.Options().setLoginName('ann').setNewPassword('another'),
  );
  expect((await read(as('ann'), 'open')).code).toBe(0);
  expect(await status((done) => clients.users.disable(disable, admin, done))).toBe(0);
  expect((await read(as('ann'), 'open')).code).toBe(16);
  expect(await status((done) => clients.users.enable(enable, admin, done))).toBe(0);
  expect((await read(as('ann'), 'open')).code).toBe(0);
  expect(await status((done) => clients.users.resetPassword(reset, admin, done))).toBe(0);
  expect((await read(as('ann'), 'open')).code).toBe(16);
  expect((await read(as('ann', 'another'), 'open')).code).toBe(0);
});

it('$settings closes what has no ACL of its own', async () => {
  const settings = JSON.stringify({ $userStreamAcl: { $r: 'readers', $w: 'writers' } });
  expect((await read(as('ops'), 'open')).code).toBe(0);
  expect(await append(as('admin'), '$settings', settings, '$settings')).toBe(0);
  expect((await read(as('ops'), 'open')).code).toBe(7);
  expect((await read(as('staff'), 'open')).code).toBe(0);
  expect(await append(as('ops'), 'open')).toBe(7);
});
