import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { SNAPSHOTS_STREAM, streamOf } from '@oo/contracts';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Backbone, someone, startBackbone } from '../testing/index.js';
import { connectNats } from './connect.js';
import { JetStreamSnapshots } from './jetstream-snapshots.js';

let backbone: Backbone;
let nats: NatsConnection;
let snapshots: JetStreamSnapshots;
beforeAll(async () => {
  backbone = await startBackbone();
  nats = await connectNats(backbone.natsUrl, 'test');
});
beforeEach(() => {
  snapshots = new JetStreamSnapshots(nats);
});
afterAll(async () => {
  await nats?.close();
  await backbone?.close();
});

const bytes = (...values: number[]) => new Uint8Array(values);
const read = async (name: string, from = snapshots) => {
  const kept = await from.read(name);
  return kept && [...kept];
};
const stream = () => streamOf('tips', someone());

it('keeps the last of each stream', async () => {
  const [one, other] = [stream(), stream()];
  expect(await read(one)).toBeUndefined();
  await snapshots.write(one, bytes(1));
  await snapshots.write(other, bytes(2));
  await snapshots.write(one, bytes(3));
  expect(await read(one)).toEqual([3]);
  expect(await read(other, new JetStreamSnapshots(nats))).toEqual([2]);
  const jsm = await jetstreamManager(nats);
  const { state } = await jsm.streams.info(SNAPSHOTS_STREAM, { subjects_filter: '>' });
  expect(Object.values(state.subjects ?? {})).toEqual(expect.arrayContaining([1, 1]));
  expect(Math.max(...Object.values(state.subjects ?? {}))).toBe(1);
});

it('forgets one stream, and no other', async () => {
  const [one, other] = [stream(), stream()];
  await snapshots.write(one, bytes(1));
  await snapshots.write(other, bytes(2));
  await snapshots.forget(one);
  expect(await read(one)).toBeUndefined();
  expect(await read(other)).toEqual([2]);
});

it('knows nothing after all was deleted, and keeps again what comes', async () => {
  const one = stream();
  await snapshots.write(one, bytes(1));
  await (await jetstreamManager(nats)).streams.delete(SNAPSHOTS_STREAM);
  expect(await read(one)).toBeUndefined();
  await snapshots.forget(one);
  await snapshots.write(one, bytes(2));
  expect(await read(one)).toEqual([2]);
});

it('leaves out what is too large for the broker', async () => {
  const one = stream();
  await snapshots.write(one, bytes(1));
  await snapshots.write(one, new Uint8Array((nats.info?.max_payload ?? 0) + 1));
  expect(await read(one)).toEqual([1]);
});

it('gives nothing, and soon, while the broker is away', async ({ skip }) => {
  if (backbone.nats === undefined) skip('the broker is not ours to stop');
  const one = stream();
  await snapshots.write(one, bytes(1));
  await backbone.nats?.kill();
  const begun = performance.now();
  expect(await read(one)).toBeUndefined();
  expect(await read(one, new JetStreamSnapshots(nats))).toBeUndefined();
  expect(performance.now() - begun).toBeLessThan(2_000);
  await backbone.nats?.start();
});
