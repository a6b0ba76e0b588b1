import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import {
  type EventEnvelope,
  epochMs,
  type Instant,
  instant,
  newUserId,
  readEnvelope,
  tenantId,
  type UserId,
} from '@oo/contracts';
import { natsOptions } from '@oo/event-sourcing';
import { createLog, Health } from '@oo/service-host';
import { freePort, startNatsServer, type TestNatsServer } from '@oo/service-host/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Registry } from '../connectors/registry.js';
import { fetchText } from '../fetch-text.js';
import { listCandidates } from '../list-candidates.js';
import { demoConfig } from './configuration.js';
import { demoConnector } from './connector.js';
import { runDemoLife } from './demo-life.js';
import { taskIdOf } from './mapper.js';
import { HOUR_MS } from './person/calendar.js';
import { type SmallPlatform, startSmallPlatform } from './testing/small-platform.js';

// A Wednesday evening.
const NOW = instant(Date.UTC(2025, 2, 19, 17, 30));

/** A demo life on a broker of its own. */
interface Scene {
  readonly user: UserId;
  readonly platform: SmallPlatform;
  readonly registry: Registry;
  readonly lines: string[];
  readonly health: Health;
  readonly folder: string;
  /** Plays until `until` holds, then stops it. */
  play(until: () => boolean, now?: () => Instant): Promise<void>;
}

let broker: TestNatsServer;
let nats: NatsConnection;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  broker = await startNatsServer();
});
const tearDown = async () => {
  for (const close of closing.splice(0).reverse()) await close();
};
afterEach(tearDown);
afterAll(() => broker?.close());

/** The scene before is over: it is the same person, on the same broker. */
async function scene(environment: Record<string, string> = {}): Promise<Scene> {
  await tearDown();
  const user = newUserId(tenantId('home'), new Uint8Array(16).fill(9));
  const folder = await mkdtemp(join(tmpdir(), 'oo-demo-'));
  closing.push(() => rm(folder, { recursive: true }));
  nats = await connect(natsOptions(broker.url, 'test'));
  closing.push(() => nats.close());
  const providerUrl = `http://127.0.0.1:${await freePort()}`;
  const registry = new Registry([demoConnector], { OO_DEMO_PROVIDER_URL: providerUrl });
  const candidates = (at: Instant) => listCandidates(registry, { userId: user, at }, () => {});
  const platform = await startSmallPlatform(broker.url, user, candidates);
  closing.push(() => platform.close());
  const config = demoConfig.parse({
    OO_NATS_URL: broker.url,
    OO_PUBLIC_URL: platform.url,
    OO_LOG_LEVEL: 'silent',
    OO_DATA_DIR: folder,
    OO_DEMO_USER: user,
    OO_DEMO_TOKEN: platform.token,
    OO_DEMO_PROVIDER_URL: providerUrl,
    OO_DEMO_SEED: 'test',
    OO_DEMO_WEEKS: '1',
    OO_DEMO_PACE: '0',
    OO_DEMO_UTC_OFFSET: '60',
    ...environment,
  });
  const [lines, health] = [[] as string[], new Health('demo', '1')];
  const play = async (until: () => boolean, now: () => Instant = () => NOW) => {
    const stop = new AbortController();
    const tell = (line: string) => void lines.push(line);
    const log = createLog('demo', 'silent');
    const life = runDemoLife({ config, health, log, tell, stopped: stop.signal, clock: { now } });
    const stopping = waitFor(until).finally(() => stop.abort());
    await Promise.race([life, stopping]);
    await stopping;
    await life;
  };
  return { user, platform, registry, lines, health, folder, play };
}

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 170_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('waited for three minutes');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Lines that tell two histories apart, and where. */
const told = (events: readonly EventEnvelope[]) =>
  events.map(({ type, data, metadata, revision }) => JSON.stringify([type, revision, metadata, data]));
const ended = ({ lines }: Scene) => lines.some((line) => line.startsWith('history 100% '));
const signalsOf = (events: readonly EventEnvelope[]) =>
  events.filter(({ stream }) => stream.startsWith('signals-'));
const count = (events: readonly EventEnvelope[], type: string) =>
  events.filter((event) => event.type === type).length;

describe('a history', () => {
  it('is a week of a life with tips, seen and answered, told in order and never before its time', async () => {
    const demo = await scene();
    await demo.play(() => ended(demo));
    const events = demo.platform.events.map(readEnvelope);
    expect(signalsOf(demo.platform.events).length).toBeGreaterThan(120);
    let before = 0;
    for (const { metadata } of events) {
      expect(epochMs(metadata.recordedAt)).toBeGreaterThanOrEqual(before);
      expect(epochMs(metadata.occurredAt)).toBeLessThanOrEqual(epochMs(metadata.recordedAt));
      before = epochMs(metadata.recordedAt);
    }
    for (const type of [
      'TipProposed',
      'TipShown',
      'TipCompleted',
      'TipAccepted',
      'TipSnoozed',
      'TipExpired',
    ]) {
      expect([type, count(demo.platform.events, type)]).not.toEqual([type, 0]);
    }
    // Each moment and deadline was met at its time, none was jumped over.
    for (const { type, data, metadata } of events) {
      if (type !== 'TipProposed' && type !== 'TipWithheld') continue;
      expect(metadata.recordedAt).toBe(data.decision?.decidedAt);
    }
  }, 180_000);

  it('ends with no tip active, room in the last hour and the day, and the clock released', async () => {
    const demo = await scene();
    const phases: unknown[] = [];
    const checking = setInterval(async () => {
      const { ok = false, detail } = (await demo.health.ready()).checks.life ?? {};
      phases.push([detail?.phase, ok]);
    }, 5);
    await demo.play(() => ended(demo));
    clearInterval(checking);
    expect(phases).toContainEqual(['history', false]);
    expect(phases).not.toContainEqual(['history', true]);
    expect(demo.platform.activeTip()).toBeUndefined();
    expect(demo.platform.clock()).toBeUndefined();
    const decided = demo.platform.events.map(readEnvelope).flatMap((event) => {
      return event.type === 'TipProposed' || event.type === 'TipWithheld' ? [event] : [];
    });
    const since = (ms: number) =>
      decided.filter(({ metadata }) => epochMs(metadata.recordedAt) > epochMs(NOW) - ms);
    expect(since(HOUR_MS).length).toBeLessThan(12);
    expect(since(24 * HOUR_MS).filter(({ type }) => type === 'TipProposed').length).toBeLessThan(24);
    expect(demo.lines[0]).toMatch(/^history 0% Wed 12 Mar 2025$/);
    expect(demo.lines.at(-1)).toMatch(/^history 100% \d+ signals, \d+ tips in [\d.]+ s$/);
  }, 180_000);

  it('is the same for the same seed, and another for another one', async () => {
    const histories: string[][] = [];
    for (const seed of ['one', 'one', 'two']) {
      const demo = await scene({ OO_DEMO_SEED: seed });
      await demo.play(() => ended(demo));
      histories.push(told(demo.platform.events));
    }
    expect(histories[1]).toEqual(histories[0]);
    expect(histories[2]).not.toEqual(histories[0]);
  }, 180_000);

  it('goes on after an interruption as if there had been none', async () => {
    const whole = await scene();
    await whole.play(() => ended(whole));
    const cut = await scene();
    for (const signals of [40, 90]) await cut.play(() => signalsOf(cut.platform.events).length >= signals);
    expect(ended(cut)).toBe(false);
    await cut.play(() => ended(cut));
    expect(told(cut.platform.events)).toEqual(told(whole.platform.events));
  }, 180_000);

  it('waits for an ingress that is away, and loses nothing', async () => {
    const whole = await scene();
    await whole.play(() => ended(whole));
    const rough = await scene();
    const disturbing = setInterval(() => rough.platform.fail(2), 300);
    await rough.play(() => ended(rough));
    clearInterval(disturbing);
    expect(told(rough.platform.events)).toEqual(told(whole.platform.events));
  }, 180_000);

  it('lets no text of a task, habit or appointment out but the one that is asked for', async () => {
    const mark = 'CANARY-93f1';
    const demo = await scene({ OO_DEMO_CANARY: mark });
    const wire: string[] = [];
    const tap = nats.subscribe('>', {
      callback: (_, message) => void wire.push(message.subject + message.string()),
    });
    let asked = false;
    let text: unknown;
    await demo.play(() => {
      const first = asked ? undefined : demo.platform.events.find(({ type }) => type === 'TipProposed');
      const proposed = first && readEnvelope(first);
      if (proposed?.type === 'TipProposed') {
        asked = true;
        const query = { userId: demo.user, ref: proposed.data.decision?.choice ?? '' };
        fetchText(demo.registry, query, () => {}).then((fetched) => {
          text = fetched;
        });
      }
      return ended(demo) && text !== undefined;
    });
    tap.unsubscribe();
    expect(text).toMatchObject({ title: expect.stringContaining(mark) });
    const kept = await readFile(join(demo.folder, 'demo-life.json'), 'utf8');
    expect(kept).toContain(mark);
    const titles = [...kept.matchAll(/"(?:title|notes)":"([^"]+) CANARY/g)].map(([, title = '']) => title);
    expect(titles.length).toBeGreaterThan(20);
    const out = [...wire, ...demo.platform.taken.map(({ body }) => body), ...demo.lines].join('\n');
    expect(out.length).toBeGreaterThan(50_000);
    expect(out).not.toContain(mark);
    expect(titles.filter((title) => title.trim() !== '' && out.includes(title))).toEqual([]);
  }, 180_000);
});

describe('the life that goes on', () => {
  const later = () => instant(Date.now());

  it('sends signals as the time goes by, faster when it is told to', async () => {
    const demo = await scene({ OO_DEMO_WEEKS: '0', OO_DEMO_PACE: '10000' });
    await demo.play(() => signalsOf(demo.platform.events).length > 25, later);
    for (const event of signalsOf(demo.platform.events).map(readEnvelope)) {
      expect(epochMs(event.metadata.occurredAt)).toBeLessThanOrEqual(
        epochMs(event.metadata.recordedAt) + 1000,
      );
    }
    expect(demo.platform.taken.filter(({ path }) => path.endsWith('/answers'))).toEqual([]);
  }, 180_000);

  it('ticks off at the provider what a human answers with "done", and tells of it', async () => {
    const demo = await scene({ OO_DEMO_WEEKS: '0', OO_DEMO_PACE: '10000' });
    let answered: string | undefined;
    let done: boolean | undefined;
    await demo.play(() => {
      const tip = demo.platform.activeTip();
      if (tip !== undefined && answered === undefined) {
        answered = tip;
        const body = JSON.stringify({ answer: 'done', answeredAt: later(), idempotencyKey: 'human' });
        const headers = { authorization: `Bearer ${demo.platform.token}` };
        fetch(`${demo.platform.url}/v1/tips/${tip}/answers`, { method: 'POST', headers, body });
      }
      const events = demo.platform.events.map(readEnvelope);
      const proposed = events.find(
        (event) => event.type === 'TipProposed' && event.data.decision?.decisionId === answered,
      );
      const ref = proposed?.type === 'TipProposed' ? proposed.data.decision?.choice : undefined;
      done = events.some((event) => event.type === 'TaskCompleted' && event.data.ref === ref);
      return answered !== undefined && done;
    }, later);
    expect(done).toBe(true);
  }, 180_000);

  it('tells late what happened while nobody played it, which triggers nothing', async () => {
    const demo = await scene({ OO_DEMO_PACE: '1' });
    await demo.play(() => ended(demo));
    const before = demo.platform.events.length;
    const twoDaysOn = instant(epochMs(NOW) + 48 * HOUR_MS);
    const kept = () => readFile(join(demo.folder, 'demo-life.json'), 'utf8');
    let caughtUp = false;
    // The platform's own clock is the system's, far ahead of this story: all of it is late there.
    await demo.play(
      () => {
        kept().then((text) => {
          caughtUp = text.includes(`"playedUntil":"${twoDaysOn}"`);
        });
        return caughtUp;
      },
      () => twoDaysOn,
    );
    const since = demo.platform.events.slice(before);
    expect(signalsOf(since).length).toBeGreaterThan(30);
    expect(since.filter(({ type }) => type === 'TipProposed' || type === 'TipWithheld')).toEqual([]);
    expect(new Set(signalsOf(demo.platform.events).map(({ id }) => id)).size).toBe(
      signalsOf(demo.platform.events).length,
    );
  }, 180_000);

  it('makes its tasks again when its file is lost and the history is not', async () => {
    const demo = await scene();
    await demo.play(() => ended(demo));
    const before = demo.platform.events.length;
    await rm(join(demo.folder, 'demo-life.json'));
    let tasks: string[] = [];
    await demo.play(() => {
      listCandidates(demo.registry, { userId: demo.user, at: NOW }, () => {}).then(({ items }) => {
        tasks = items.flatMap(({ ref }) => taskIdOf(ref) ?? []);
      });
      return tasks.length > 0;
    });
    const over = new Set(
      demo.platform.events
        .map(readEnvelope)
        .flatMap((event) => (event.type === 'TaskCompleted' ? [event.data.ref] : [])),
    );
    expect(over.size).toBeGreaterThan(0);
    expect(tasks.filter((id) => over.has(`demo:task:${id}`))).toEqual([]);
    expect(demo.platform.events.length).toBe(before);
  }, 180_000);
});

describe('the provider', () => {
  it('serves its own person, and marks a task done once', async () => {
    const demo = await scene();
    const base = demo.registry.get('demo')?.address ?? '';
    const people = `${base}/people/${demo.user}`;
    const seen: number[] = [];
    let asked = false;
    let finished = false;
    await demo.play(() => {
      if (ended(demo) && !asked) {
        asked = true;
        (async () => {
          const { items } = await listCandidates(demo.registry, { userId: demo.user, at: NOW }, () => {});
          const id = taskIdOf(items[0]?.ref ?? '');
          for (const [path, method] of [
            [`/tasks/${id}`, 'GET'],
            [`/tasks/${id}/done`, 'POST'],
            [`/tasks/${id}/done`, 'POST'],
            [`/tasks/${id}`, 'GET'],
            ['/tasks/nothing', 'GET'],
            ['/habits', 'GET'],
            ['/calendar', 'GET'],
            ['/tasks', 'POST'],
            ['/diary', 'GET'],
          ] as const) {
            seen.push((await fetch(people + path, { method })).status);
          }
          seen.push((await fetch(`${base}/people/home_0/tasks`)).status);
          finished = true;
        })();
      }
      return finished;
    });
    expect(seen).toEqual([200, 204, 409, 200, 404, 200, 200, 404, 404, 404]);
  }, 180_000);
});
