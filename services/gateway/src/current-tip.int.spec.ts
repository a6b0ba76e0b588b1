import { randomBytes } from 'node:crypto';
import { changedSubject, epochMs, instant, newUserId, tenantId, type UserId } from '@oo/contracts';
import { connectNats, EventStore, readModels, SteeredClock } from '@oo/event-sourcing';
import { createLog } from '@oo/service-host';
import { type Backbone, startBackbone } from '@oo/service-host/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TestWorld } from './testing/index.js';
import { CurrentTips, type Followed } from './tips/current-tips.js';
import { TipTexts } from './tips/tip-texts.js';

let backbone: Backbone;
let world: TestWorld;
let tips: CurrentTips;
let user: UserId;
let closing: AbortController;
const clock = new SteeredClock();
let parts: { close: () => Promise<unknown> };

beforeAll(async () => {
  backbone = await startBackbone({ postgres: true, ownBroker: true });
  const [nats, other] = [
    await connectNats(backbone.natsUrl, 'world'),
    await connectNats(backbone.natsUrl, 'gateway'),
  ];
  const store = EventStore.connect(backbone.eventStoreUrl);
  const sql = readModels(backbone.readModelsUrl, { max: 4 });
  world = new TestWorld(nats, store, sql);
  await world.start(backbone.environment);
  const log = createLog('test', 'silent');
  tips = new CurrentTips(other, sql, new TipTexts(other, log), clock, log);
  parts = { close: () => Promise.all([nats.close(), other.close(), store.close(), sql.end()]) };
});
afterAll(async () => {
  await world?.close();
  await parts?.close();
  await backbone?.close();
});
beforeEach(() => {
  user = newUserId(tenantId('home'), randomBytes(16));
  closing = new AbortController();
  world.texts = new Map([['demo:task:1', { title: 'One' }]]);
});
afterEach(() => {
  closing.abort();
  clock.steer(null);
});

const follow = (seen?: string) => tips.follow(user, closing.signal, { seen });
async function next(stream: AsyncGenerator<Followed>): Promise<Followed> {
  const { value, done } = await stream.next();
  if (done === true) throw new Error('the stream has ended');
  return value;
}

describe('following the current tip', () => {
  it('gives it now, and again when it changes, and not when it does not', async () => {
    const stream = follow();
    expect((await next(stream)).current).toEqual({ tip: null, revision: '-1' });
    const coming = next(stream);
    const tipId = await world.propose(user, 'demo:task:1');
    expect((await coming).current).toMatchObject({ revision: '0', tip: { tipId, title: 'One' } });
    const changed = next(stream);
    // A hint without a change behind it.
    const nats = await connectNats(backbone.natsUrl, 'noise');
    nats.publish(changedSubject('current-tip', user));
    await nats.drain();
    await world.record(user, [{ type: 'TipDismissed', data: { tipId } }]);
    expect((await changed).current).toEqual({ tip: null, revision: '1' });
  });

  it('lets a tip go when its decision holds no longer, though nothing is recorded yet', async () => {
    const stream = follow();
    await next(stream);
    const holdsUntil = instant(Date.now() + 3_600_000);
    clock.steer(instant(epochMs(holdsUntil) - 1));
    const tipId = await world.propose(user, 'demo:task:1', { holdsUntil });
    expect((await next(stream)).current).toMatchObject({ revision: '0', tip: { tipId } });
    clock.steer(holdsUntil);
    expect((await next(stream)).current).toEqual({ tip: null, revision: '0' });
    expect(await tips.of(user)).toEqual({ tip: null, revision: '0' });
  });

  it('does not give again what the page had before a reconnect', async () => {
    await world.propose(user, 'demo:task:1');
    const { id } = await next(follow());
    const stream = follow(id);
    const coming = next(stream);
    const tipId = await world.propose(user, 'oo:advice:water');
    expect((await coming).current).toMatchObject({ tip: { tipId } });
  });

  it('looks again once the broker is back, since hints were lost', async () => {
    const stream = follow();
    await next(stream);
    const coming = next(stream);
    await backbone.nats?.kill();
    const proposing = world.propose(user, 'oo:advice:water');
    await backbone.nats?.start();
    expect((await coming).current).toMatchObject({ tip: { tipId: await proposing } });
  });

  it('gives the words once their provider answers', async () => {
    const { texts } = world;
    world.texts = undefined;
    await world.propose(user, 'demo:task:1');
    const stream = follow();
    expect((await next(stream)).current.tip).toMatchObject({ text: 'unreachable' });
    world.texts = texts;
    expect((await next(stream)).current.tip).toMatchObject({ text: 'here', title: 'One' });
  });

  it('ends when the page goes', async () => {
    const stream = follow();
    await next(stream);
    const end = stream.next();
    closing.abort();
    expect((await end).done).toBe(true);
  });

  it('has room for so many pages of one person, and again when one is closed', async () => {
    const first = follow();
    await next(first);
    for (let page = 1; page < 16; page++) await next(follow());
    await expect(next(follow())).rejects.toThrow('16 pages');
    await first.return(undefined);
    await next(follow());
  });
});
