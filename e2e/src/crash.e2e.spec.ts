import { eventually, Producer, pause, RunningOo } from '@oo/cli/testing';
import { type EventEnvelope, QUERIES } from '@oo/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let oo: RunningOo;

beforeAll(async () => {
  oo = await RunningOo.start({ OO_DEMO_WEEKS: '0' });
}, 300_000);

afterAll(() => oo?.dispose());

interface HistoryPage {
  readonly events: readonly EventEnvelope[];
  readonly next: string | null;
}

async function storedEvents(userId: string): Promise<EventEnvelope[]> {
  const nats = await oo.nats();
  const streams = ['signals', 'tips', 'user'].map((category) => `${category}-${userId}`);
  const events: EventEnvelope[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const body: string = JSON.stringify({ streams, after });
    const page: HistoryPage = (await nats.request(QUERIES.historyRead, body, { timeout: 10_000 })).json();
    events.push(...page.events);
    after = page.next;
  }
  return events;
}

interface TimelinePage {
  readonly items: readonly { readonly eventId: string }[];
  readonly next: string | null;
}

async function timelineIds(user: string): Promise<string[]> {
  const ids: string[] = [];
  let before: string | null = null;
  do {
    const page: TimelinePage = await oo.json<TimelinePage>(
      ...['timeline', user, '--limit', '200', ...(before === null ? [] : ['--before', before])],
    );
    ids.push(...page.items.map(({ eventId }) => eventId));
    before = page.next;
  } while (before !== null);
  return ids;
}

const VICTIMS = [
  'relay',
  'projections',
  'recommender',
  'gateway',
  'nats-server',
  'handlers',
  'eventstore',
  'postgres',
];

describe.each(VICTIMS)('%s killed with -9 in mid-flow', (victim) => {
  it('loses no signal and no answer, and counts none twice', async () => {
    const { userId, token } = await oo.json<{ userId: string; token: string }>('person', `crash-${victim}`);
    const producer = new Producer(oo, token);
    await producer.signal('ContextObserved', { kind: 'CONTEXT_KIND_PAGE_OPENED', device: 'DEVICE_PHONE' });
    const tip = await eventually('a first tip', async () => (await producer.tip()) ?? undefined);

    const acknowledged = new Set<string>();
    const flow = Array.from({ length: 40 }, async (_, index) => {
      await pause(index * 25);
      const { eventId } = await producer.signal(
        'MoodReported',
        { valence: index % 3, energy: 1 },
        `mood-${index}`,
      );
      acknowledged.add(eventId);
    });
    const answer = pause(500).then(() => producer.answer(tip.tipId, 'done', 'the-answer'));
    await pause(450);
    oo.kill(victim);
    const [answered] = await Promise.all([answer, ...flow]);
    // A producer that did not hear the reply sends again: it is the same signal and the same answer.
    expect((await producer.signal('MoodReported', { valence: 0, energy: 1 }, 'mood-0')).duplicate).toBe(true);
    const again = await producer.answer(tip.tipId, 'done', 'the-answer');
    expect(again).toEqual({ ...answered, duplicate: true });
    await oo.quiet();

    const events = await storedEvents(userId);
    const ids = events.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(acknowledged.size).toBe(40);
    for (const id of acknowledged) expect(ids).toContain(id);
    expect(events.filter(({ type }) => type === 'MoodReported')).toHaveLength(40);
    expect(events.filter(({ type }) => type === 'TipCompleted')).toHaveLength(1);

    const timeline = await timelineIds(userId);
    expect([...timeline].sort()).toEqual([...ids].sort());
    const replayed = await oo.json<{ identical: boolean; decisions: number }>('replay', userId);
    expect(replayed.identical).toBe(true);
    expect(replayed.decisions).toBeGreaterThan(5);
  }, 180_000);
});
