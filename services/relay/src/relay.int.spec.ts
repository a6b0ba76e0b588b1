import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  type DomainEvent,
  EVENTS_STREAM,
  HEADER_POSITION,
  HEADER_REVISION,
  type Instant,
  readEnvelope,
  streamOf,
  type UserId,
} from '@oo/contracts';
import { connectNats, EventStore } from '@oo/event-sourcing';
import { appendDirectly, type Backbone, someone, startBackbone } from '@oo/service-host/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { JetStreamTopic } from './jetstream-topic.js';
import { PipelinedPublisher } from './pipelined-publisher.js';
import { Relay, type RelayOptions, type RelayReport } from './relay.js';

const AT = '2026-03-02T08:00:00Z' as Instant;

let backbone: Backbone;
let nats: NatsConnection;
let store: EventStore;
let jsm: JetStreamManager;
let running: { stop: AbortController; done: Promise<void> }[] = [];
let reports: RelayReport[] = [];

beforeAll(async () => {
  // Streams are deleted and servers killed here.
  backbone = await startBackbone({ ownBroker: true, ownEventStore: true });
});
afterAll(() => backbone?.close());
beforeEach(async () => {
  nats = await connectNats(backbone.natsUrl, 'test');
  store = EventStore.connect(backbone.eventStoreUrl);
  jsm = await jetstreamManager(nats);
  reports = [];
});
afterEach(async () => {
  for (const { stop } of running) stop.abort();
  await Promise.all(running.map(({ done }) => done));
  running = [];
  await jsm.streams.delete(EVENTS_STREAM).catch(() => {});
  await jsm.streams.delete('KV_OO_RELAY').catch(() => {});
  await Promise.all([nats.close(), store.close()]);
});

function startRelay(options: Partial<RelayOptions> = {}): Relay {
  const relay = new Relay(new JetStreamTopic(nats), store, (report) => reports.push(report), {
    watchMs: 50,
    retryMs: 20,
    timeoutMs: 1_000,
    ...options,
  });
  const stop = new AbortController();
  running.push({ stop, done: relay.run(stop.signal) });
  return relay;
}
async function stopRelays(): Promise<void> {
  for (const { stop } of running) stop.abort();
  await Promise.all(running.map(({ done }) => done));
  running = [];
}

const done: DomainEvent = { type: 'TaskCompleted', data: { ref: 'demo:task:1' } };
const append = (user: UserId, count: number) => appendDirectly(store, user, Array(count).fill(done), AT);

async function stored() {
  const all = [];
  for await (const page of store.readAll()) all.push(...page);
  return all;
}
/** What a consumer of the whole stream reads, from the first message that is there. */
async function published() {
  const info = await jsm.streams.info(EVENTS_STREAM);
  const messages = [];
  for (let sequence = info.state.first_seq; sequence <= info.state.last_seq; sequence++) {
    const message = await jsm.streams.getMessage(EVENTS_STREAM, { seq: sequence });
    if (message !== null) messages.push(message);
  }
  return messages;
}
async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = performance.now() + 25_000; !(await condition()); ) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
async function atHead(relay: Relay): Promise<void> {
  await until(async () => {
    const head = (await store.head()) ?? -1n;
    return relay.isFollowing && relay.standing.position >= head && relay.standing.atRest;
  }, 'the relay is at the head');
}
/** Every event of the store stands in the stream once, in the store's order. */
async function expectComplete(): Promise<void> {
  const [events, messages] = [await stored(), await published()];
  expect(messages.map(({ header }) => header.get('Nats-Msg-Id'))).toEqual(events.map(({ id }) => id));
}

describe('the relay', () => {
  it('publishes every event in the order of the store, with what a consumer needs', async () => {
    const [one, two] = [someone(), someone()];
    await append(one, 3);
    await append(two, 2);
    const relay = startRelay();
    await append(one, 2);
    await atHead(relay);
    await expectComplete();
    const [event] = await store.readForward(streamOf('signals', one), 4n, 1);
    const message = (await published()).find(({ header }) => header.get('Nats-Msg-Id') === event?.id);
    expect(message?.header.get(HEADER_POSITION)).toBe(String(event?.position));
    expect(message?.header.get(HEADER_REVISION)).toBe('4');
    expect(message?.subject).toContain(`.home.${one}.signals.TaskCompleted`);
    expect(readEnvelope(message?.json())).toMatchObject({
      id: event?.id,
      position: event?.position,
      revision: 4n,
    });
  });

  it('goes on where it stopped, also when the last messages are gone', async () => {
    const user = someone();
    await append(user, 10);
    await atHead(startRelay());
    await stopRelays();
    await append(user, 5);
    await atHead(startRelay());
    await expectComplete();
    await stopRelays();
    await jsm.streams.purge(EVENTS_STREAM);
    await append(user, 4);
    await atHead(startRelay());
    // The mirrored checkpoint says so; nothing is sent again to find out.
    expect(reports.filter(({ kind }) => kind === 'interrupted')).toEqual([]);
    expect((await published()).map(({ header }) => header.get(HEADER_REVISION))).toEqual([
      '15',
      '16',
      '17',
      '18',
    ]);
  });

  it('goes on when the stream was emptied before the checkpoint was mirrored', async () => {
    const user = someone();
    await append(user, 3);
    const relay = startRelay({ watchMs: 60_000 });
    await atHead(relay);
    running[0]?.stop.abort();
    await stopRelays();
    const second = startRelay({ watchMs: 60_000 });
    await until(() => second.isFollowing, 'the second follows');
    await append(user, 3);
    await atHead(second);
    // As a kill would leave it: the mirror still says three.
    const kv = await jsm.streams.getMessage('KV_OO_RELAY', { last_by_subj: '$KV.OO_RELAY.checkpoint' });
    await stopRelays();
    await nats.request('$KV.OO_RELAY.checkpoint', kv?.data);
    await jsm.streams.purge(EVENTS_STREAM);
    await append(user, 2);
    await atHead(startRelay());
    const revisions = (await published()).map(({ header }) => Number(header.get(HEADER_REVISION)));
    expect(revisions.slice(-2)).toEqual([6, 7]);
    expect(new Set(revisions).size).toBe(revisions.length);
  });

  it('makes a stream that is deleted while it runs again, and fills it', async () => {
    await append(someone(), 20);
    const relay = startRelay();
    await atHead(relay);
    await jsm.streams.delete(EVENTS_STREAM);
    await until(() => reports.some(({ kind }) => kind === 'interrupted'), 'it notices');
    await atHead(relay);
    await expectComplete();
  });

  it('keeps each event once with two relays at a time', async () => {
    const user = someone();
    await append(user, 200);
    const relays = [startRelay(), startRelay()];
    for (let round = 0; round < 10; round++) await append(user, 30);
    await Promise.all(relays.map(atHead));
    await expectComplete();
  });

  it('loses nothing and doubles nothing when the broker is killed amid the flow', async () => {
    const user = someone();
    const relay = startRelay();
    for (let round = 0; round < 12; round++) {
      await append(user, 50);
      if (round % 4 === 1) await backbone.nats?.kill();
      if (round % 4 === 3) await backbone.nats?.start();
    }
    await atHead(relay);
    await expectComplete();
  });

  it('follows again when the event store was away', async () => {
    const user = someone();
    const relay = startRelay();
    await append(user, 10);
    await atHead(relay);
    await backbone.eventStore?.stop();
    await until(() => reports.some(({ kind }) => kind === 'interrupted'), 'it notices');
    await backbone.eventStore?.start();
    const answers = () =>
      store.head().then(
        () => true,
        () => false,
      );
    await until(answers, 'the store answers');
    await append(user, 10);
    await atHead(relay);
    await expectComplete();
  });

  // The last one: this event stays in the store that they share.
  // Found by the simulation (seed 6434): the message that had the place of the refused one let the next one pass.
  it('leaves no hole where another relay, which stands elsewhere, has filled the very place of an event', async () => {
    const user = someone();
    await append(user, 80);
    const topic = new JetStreamTopic(nats);
    await topic.ensure();
    const options = { depth: 100, timeoutMs: 1_000 };
    const [first, ...others] = await stored();
    if (first === undefined) throw new Error('no event');
    const [here, there] = [0, 1].map(() => new PipelinedPublisher(topic, 0, options, 'event', () => {}));
    here?.publish(first);
    await until(() => here?.acknowledged !== undefined, 'the first event is there');
    here?.close();
    // This one believes that the first sequence is of the second event, and goes on with the third.
    for (const event of others) there?.publish(event);
    await expect(there?.failed).rejects.toThrow('publishing was interrupted');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await published()).map(({ header }) => header.get('Nats-Msg-Id'))).toEqual([first.id]);
  });

  it('keeps the place of what is too large for the broker, and goes on', async () => {
    const user = someone();
    // The store just takes it; its envelope is more than the broker does.
    const huge = { type: 'TaskCompleted', data: { ref: 'x'.repeat(1_047_500) } } as const;
    for (const event of [done, huge, done]) await appendDirectly(store, user, [event], AT);
    const relay = startRelay();
    await atHead(relay);
    const last = (await published()).slice(-3);
    expect(last.map(({ header, data }) => [header.get(HEADER_REVISION), data.length > 0])).toEqual([
      ['0', true],
      ['1', false],
      ['2', true],
    ]);
    expect(reports.filter(({ kind }) => kind === 'left-out')).toHaveLength(1);
  });
});
