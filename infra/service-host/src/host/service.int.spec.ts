import { Controller, Inject, Module } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { CLOCK_SUBJECT } from '@oo/contracts';
import { type Clock, connectNats, figures, requestJson } from '@oo/event-sourcing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError } from '../config/config.js';
import type { Log } from '../logging/log.js';
import { type Backbone, freePort, startBackbone } from '../testing/index.js';
import { answerQueryOf } from '../transport/answer.js';
import { hostConfig } from './parts.js';
import { type RunningService, startService } from './service.js';
import { CLOCK, LOG } from './tokens.js';

const waiting = new Set<() => void>();

@Controller()
class EchoController {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOG) private readonly log: Log,
  ) {}

  @MessagePattern('test.echo')
  echo(@Payload() body: Uint8Array): Promise<unknown> {
    return answerQueryOf(
      body,
      z.strictObject({ say: z.string() }),
      async ({ say }) => ({ said: say }),
      this.log,
    );
  }

  @MessagePattern('test.now')
  now(): unknown {
    return { now: this.clock.now() };
  }

  @MessagePattern('test.bug')
  async bug(): Promise<unknown> {
    throw new Error('not foreseen');
  }

  @MessagePattern('test.slow.*')
  slow(): Promise<unknown> {
    return new Promise((resolve) => waiting.add(() => resolve({ done: true })));
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

let backbone: Backbone;
const running: RunningService[] = [];
beforeAll(async () => {
  backbone = await startBackbone({ ownBroker: true });
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.close()));
});
afterAll(() => backbone?.close());

async function start(environment: Record<string, string> = {}): Promise<RunningService> {
  const service = await startService(
    { name: 'echo', config: hostConfig, modules: [EchoModule] },
    { ...backbone.environment, ...environment },
  );
  running.push(service);
  return service;
}

describe('a service', () => {
  it('speaks plain JSON', async () => {
    const { nats } = (await start()).parts;
    expect(await requestJson(nats, 'test.echo', { say: 'hé' })).toEqual({ said: 'hé' });
  });

  it('answers what it cannot do with a problem', async () => {
    const { nats } = (await start()).parts;
    expect(await requestJson(nats, 'test.echo', { say: 1, to: 'me' })).toMatchObject({
      problem: { status: 400, errors: [{ field: 'say' }, { field: 'to' }] },
    });
    expect((await nats.request('test.echo', '{"say":')).json()).toMatchObject({
      problem: { type: 'urn:oo:problem:malformed-json' },
    });
    expect(await requestJson(nats, 'test.bug', {})).toMatchObject({ problem: { status: 500 } });
    await expect(requestJson(nats, 'test.nobody', {})).rejects.toMatchObject({ problem: { status: 503 } });
    await expect(requestJson(nats, 'test.slow.1', {}, 50)).rejects.toMatchObject({
      problem: { status: 503 },
    });
    for (const finish of waiting) finish();
  });

  it('answers each request once, however many instances there are', async () => {
    const { nats } = (await start()).parts;
    await start();
    let replies = 0;
    const inbox = nats.subscribe('test.replies', { callback: () => void replies++ });
    for (let index = 0; index < 20; index++)
      nats.publish('test.echo', '{"say":"x"}', { reply: 'test.replies' });
    await expect.poll(() => replies).toBe(20);
    await nats.flush();
    expect(replies).toBe(20);
    inbox.unsubscribe();
  });

  it('finishes what it has taken before it stops, and takes nothing more', async () => {
    const service = await start();
    running.length = 0;
    const nats = await connectNats(backbone.natsUrl, 'asking');
    waiting.clear();
    const replies = Promise.all([1, 2].map((number) => requestJson(nats, `test.slow.${number}`, {})));
    await expect.poll(() => waiting.size).toBe(2);
    let closed = false;
    const closing = service.close().then(() => {
      closed = true;
    });
    await expect.poll(() => nats.request('test.echo', '{"say":"x"}').catch(() => 'refused')).toBe('refused');
    expect(closed).toBe(false);
    for (const finish of waiting) finish();
    expect(await replies).toEqual([{ done: true }, { done: true }]);
    await closing;
    expect(service.parts.nats.isClosed()).toBe(true);
    await nats.close();
  });

  it('tells its health over HTTP', async () => {
    const port = await freePort();
    await start({ OO_HEALTH_PORT: String(port) });
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return [response.status, await response.json()];
    };
    expect(await get('/health/live')).toMatchObject([200, { name: 'echo', status: 'ok' }]);
    expect(await get('/health/ready')).toMatchObject([
      200,
      { status: 'ok', checks: { nats: { ok: true }, eventstore: { ok: true } } },
    ]);
    figures.add('oo.commands', { category: 'test', outcome: 'recorded' }, 2);
    const end = figures.from(() => {
      throw new Error('this one cannot be read');
    });
    const metrics = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(metrics.headers.get('content-type')).toContain('text/plain');
    expect(await metrics.text()).toContain('oo_commands_total{category="test",outcome="recorded"} 2');
    end();
    expect(await get('/')).toMatchObject([404, { type: 'urn:oo:problem:not-found' }]);
    await backbone.nats?.kill();
    await expect.poll(async () => (await get('/health/ready'))[0]).toBe(503);
    expect((await get('/health/live'))[0]).toBe(200);
    await backbone.nats?.start();
    await expect.poll(async () => (await get('/health/ready'))[0], { timeout: 10_000 }).toBe(200);
  });

  it('has a clock that can be steered, when it is configured so', async () => {
    const { nats, clock } = (await start({ OO_CLOCK: 'steered' })).parts;
    const steer = async (now: unknown) => {
      nats.publish(CLOCK_SUBJECT, JSON.stringify({ now }));
      await nats.flush();
    };
    await steer('2031-01-01T00:00:00+01:00');
    await expect.poll(() => clock.now()).toBe('2030-12-31T23:00:00Z');
    expect(await requestJson(nats, 'test.now', {})).toEqual({ now: '2030-12-31T23:00:00Z' });
    await steer('tomorrow');
    expect(clock.now()).toBe('2030-12-31T23:00:00Z');
    await steer(null);
    await expect.poll(() => clock.now().startsWith('2030')).toBe(false);
  });

  it('does not start with a configuration that is not valid', async () => {
    await expect(start({ OO_NATS_URL: 'http://127.0.0.1', OO_CLOCK: 'odd' })).rejects.toThrow(ConfigError);
    await expect(start({ OO_NATS_URL: 'http://127.0.0.1' })).rejects.toThrow(/OO_NATS_URL: given a value of/);
  });
});
