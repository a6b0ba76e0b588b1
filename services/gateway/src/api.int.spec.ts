import { randomUUID } from 'node:crypto';
import { createToken, listTokens, revokeToken } from '@oo/auth';
import { type Problem, problem, Unavailability, type UserId, VoidReason } from '@oo/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decisionRecord, startTestGateway, type TestGateway } from './testing/index.js';

let gateway: TestGateway;
let user: UserId;
let token: string;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway?.close());
beforeEach(async () => {
  ({ userId: user, token } = await gateway.person());
  gateway.world.sent.length = 0;
  gateway.world.refusal = undefined;
  gateway.world.texts = new Map([
    ['demo:task:1', { title: 'Call Ada', body: 'At noon', url: 'https://tasks.example/1' }],
    ['demo:task:script', { title: 'Click me', url: 'javascript:alert(1)' }],
  ]);
});

/** Whatever is answered: each test looks at its own part. */
interface Answer {
  readonly type?: string;
  readonly tip?: Readonly<Record<string, unknown>> | null;
  readonly revision?: string;
  readonly duplicate?: boolean;
  readonly items?: readonly unknown[];
  readonly next?: string | null;
}

async function api(path: string, body?: unknown, bearer = token) {
  const response = await fetch(`${gateway.url}/v1/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Answer };
}

const occurredAt = '2026-01-05T08:00:00Z';
const task = (key: string) => ({
  type: 'TaskObserved',
  idempotencyKey: key,
  occurredAt: '2026-01-05T09:00:00+01:00',
  data: { ref: 'demo:task:1', priority: 'PRIORITY_HIGH', dueAt: '2026-01-06T08:00:00Z' },
});

describe('POST /v1/signals', () => {
  it('sends the command with who, when and from where, and answers with what was recorded', async () => {
    const { status, json } = await api('signals', task('a'));
    expect(status).toBe(201);
    expect(json).toMatchObject({ stream: `signals-${user}`, revision: '0', duplicate: false });
    const [sent] = gateway.world.commands('RecordSignal');
    expect(sent?.body).toMatchObject({
      context: { userId: user, tenantId: 'home', producer: 'test', occurredAt },
      idempotencyKey: 'a',
      taskObserved: { ref: 'demo:task:1', state: 'TASK_STATE_OPEN', priority: 'PRIORITY_HIGH' },
    });
  });

  it('is the same command for the same key of the same producer, and another for any other', async () => {
    const first = await api('signals', task('a'));
    const again = await api('signals', task('a'));
    expect([again.status, again.json.duplicate]).toEqual([200, true]);
    expect(again.json.revision).toBe(first.json.revision);
    const other = (await createToken(gateway.vault, user, 'other')).token;
    await api('signals', task('a'), other);
    await api('signals', task('b'));
    const ids = gateway.world
      .commands('RecordSignal')
      .map(({ body }) => (body.context as { commandId: string }).commandId);
    expect(ids[0]).toBe(ids[1]);
    expect(new Set(ids).size).toBe(3);
  });

  it('answers with the handler’s own problem', async () => {
    gateway.world.refusal = problem('conflict', 'Others wrote. Send it again.');
    const { status, json } = await api('signals', task('a'));
    expect(status).toBe(409);
    expect(json).toEqual(problem('conflict', 'Others wrote. Send it again.'));
  });

  it('takes a time a little ahead, since clocks differ', async () => {
    const { status } = await api('signals', {
      ...task('a'),
      occurredAt: new Date(Date.now() + 60_000).toISOString(),
    });
    expect(status).toBe(201);
  });

  it('takes a user that is the caller', async () => {
    expect((await api('signals', { ...task('a'), userId: user })).status).toBe(201);
  });

  it('lets nobody in with a token that was revoked', async () => {
    const [known] = await listTokens(gateway.vault, user);
    expect(await revokeToken(gateway.vault, user, known?.id ?? '')).toBe(true);
    expect((await api('signals', task('a'))).status).toBe(401);
    expect(gateway.world.sent).toEqual([]);
  });
});

describe('GET /v1/tip', () => {
  it('is null for somebody new', async () => {
    expect((await api('tip')).json).toEqual({ tip: null, revision: '-1' });
  });

  it('joins the words of a todo from its provider', async () => {
    const tipId = await gateway.world.propose(user, 'demo:task:1');
    expect((await api('tip')).json).toMatchObject({
      revision: '0',
      tip: {
        tipId,
        kind: 'todo',
        ref: 'demo:task:1',
        text: 'here',
        title: 'Call Ada',
        body: 'At noon',
        url: 'https://tasks.example/1',
        shownAt: null,
      },
    });
  });

  it('has the words of an advice from the catalogue', async () => {
    await gateway.world.propose(user, 'oo:advice:water');
    expect((await api('tip')).json.tip).toMatchObject({
      kind: 'advice',
      text: 'here',
      title: 'Drink a glass of water',
    });
  });

  it('gives no link that is not of the web', async () => {
    await gateway.world.propose(user, 'demo:task:script');
    expect((await api('tip')).json.tip).toMatchObject({ title: 'Click me', url: '' });
  });

  it('says whether the words are gone or cannot be reached', async () => {
    await gateway.world.propose(user, 'demo:task:404');
    gateway.world.texts?.set('demo:task:404', { title: '' });
    expect((await api('tip')).json.tip).toMatchObject({ text: 'gone', title: '' });
    gateway.world.texts = undefined;
    expect((await api('tip')).json.tip).toMatchObject({ text: 'unreachable', title: '' });
  });

  it('waits for a revision, and says so when it does not come', async () => {
    const asked = api('tip?after=0&timeoutMs=10000');
    await gateway.world.propose(user, 'demo:task:1');
    expect((await asked).json).toMatchObject({ revision: '0' });
    const late = await api('tip?after=5&timeoutMs=0');
    expect([late.status, late.json.type]).toEqual([503, 'urn:oo:problem:unavailable']);
  });

  it('is another’s business', async () => {
    await gateway.world.propose(user, 'demo:task:1');
    const other = await gateway.person();
    expect((await api('tip', undefined, other.token)).json.tip).toBeNull();
  });
});

describe('a tip', () => {
  it('is shown once, however often that is said', async () => {
    const tipId = await gateway.world.propose(user, 'demo:task:1');
    const first = await api(`tips/${tipId}/shown`, {});
    const again = await api(`tips/${tipId}/shown`, { shownAt: occurredAt, deviceId: 'phone-1' });
    expect([first.status, first.json.duplicate, again.json.duplicate]).toEqual([201, false, true]);
    expect((await api('tip')).json.tip?.shownAt).toEqual(expect.any(String));
  });

  it.each([
    ['done', 'ANSWER_DONE'],
    ['later', 'ANSWER_LATER'],
    ['no', 'ANSWER_NO'],
    ['will-do', 'ANSWER_WILL_DO'],
  ])('is answered: %s', async (answer, named) => {
    const tipId = await gateway.world.propose(user, 'demo:task:1');
    const input = { answer, answeredAt: occurredAt, idempotencyKey: 'a' };
    const { status, json } = await api(`tips/${tipId}/answers`, input);
    expect([status, json.duplicate]).toEqual([201, false]);
    const [sent] = gateway.world.commands('AnswerTip');
    expect(sent?.body).toMatchObject({ tipId, answer: named, context: { occurredAt, causationId: tipId } });
    expect((await api(`tip?after=${json.revision}`)).json.tip).toBeNull();
    expect((await api(`tips/${tipId}/answers`, input)).json).toMatchObject({
      duplicate: true,
      revision: json.revision,
    });
  });
});

describe('GET /v1/tips/{id}/why', () => {
  it('tells why a tip was shown, the strongest reason first', async () => {
    const tipId = await gateway.world.propose(user, 'demo:task:1', {
      momentReasons: [
        { code: 'moment.free.for', contribution: 0.25 },
        { code: 'moment.busy.against', contribution: -0.5 },
      ],
      tipReasons: [{ code: 'tip.unheard_of', contribution: 1 }],
      actProbability: 0.4,
    });
    expect((await api(`tips/${tipId}/why`)).json).toMatchObject({
      decisionId: tipId,
      kind: 'proposed',
      trigger: { kind: 'TRIGGER_KIND_PAGE_OPENED', words: 'You opened the page.' },
      obstacles: [],
      momentReasons: [
        { code: 'moment.busy.against', words: 'You are busy.', contribution: -0.5 },
        { code: 'moment.free.for', words: 'Your calendar leaves you time.', contribution: 0.25 },
      ],
      tipReasons: [{ code: 'tip.unheard_of', words: 'tip.unheard_of', contribution: 1 }],
      actProbability: 0.4,
      policy: 'heuristic',
    });
  });

  it('tells why nothing was said', async () => {
    const decision = decisionRecord({
      unavailable: [Unavailability.UNAVAILABILITY_QUIET_HOURS],
      actProbability: 0,
    });
    await gateway.world.record(user, [{ type: 'TipWithheld', data: { decision } }]);
    expect((await api(`tips/${decision.decisionId}/why`)).json).toMatchObject({
      kind: 'withheld',
      obstacles: [{ code: 'UNAVAILABILITY_QUIET_HOURS', words: 'These are your quiet hours.' }],
      actProbability: 0,
    });
  });

  it('tells why a decision became nothing', async () => {
    const { decisionId, trigger } = decisionRecord({});
    const data = { decisionId, trigger, reason: VoidReason.VOID_REASON_STALE };
    await gateway.world.record(user, [{ type: 'DecisionVoided', data }]);
    expect((await api(`tips/${decisionId}/why`)).json).toMatchObject({
      kind: 'voided',
      obstacles: [{ code: 'VOID_REASON_STALE', words: 'It came when its moment was over.' }],
      actProbability: null,
    });
  });

  it('tells of a tip that came this very moment, and waits for nothing where there is none', async () => {
    const decision = decisionRecord({ choice: 'demo:task:1' });
    await gateway.world.record(user, [{ type: 'TipProposed', data: { decision } }], {}, []);
    expect((await api(`tips/${decision.decisionId}/why`)).json).toMatchObject({ kind: 'proposed' });
    const began = performance.now();
    expect((await api(`tips/${randomUUID()}/why`)).status).toBe(404);
    expect(performance.now() - began).toBeLessThan(500);
  });

  it('does not tell of another’s', async () => {
    const tipId = await gateway.world.propose(user, 'demo:task:1');
    const other = await gateway.person();
    const { status, json } = await api(`tips/${tipId}/why`, undefined, other.token);
    expect([status, json.type]).toEqual([404, 'urn:oo:problem:unknown-tip']);
  });
});

describe('lists', () => {
  it('run from the newest back, in pages', async () => {
    for (const key of ['a', 'b', 'c']) await api('signals', task(key));
    const first = (await api('timeline?limit=2')).json;
    expect(first.items).toHaveLength(2);
    const second = (await api(`timeline?limit=2&before=${first.next}`)).json;
    expect(second).toMatchObject({
      items: [{ type: 'MoodReported', revision: '0', stream: `signals-${user}` }],
      next: null,
    });
  });

  it('have the decisions with what became of them', async () => {
    const tipId = await gateway.world.propose(user, 'demo:task:1');
    await api(`tips/${tipId}/answers`, { answer: 'done', answeredAt: occurredAt, idempotencyKey: 'a' });
    expect((await api('decisions')).json).toMatchObject({
      items: [
        { decisionId: tipId, kind: 'proposed', choice: 'demo:task:1', choiceKind: 'todo', answer: 'done' },
      ],
      next: null,
    });
  });
});

describe('a gateway that is left alone', () => {
  it('says which part does not answer, and that sending again is safe', async () => {
    const lonely = await startTestGateway(undefined, {}, { world: false });
    try {
      const person = await lonely.person();
      const response = await fetch(`${lonely.url}/v1/signals`, {
        method: 'POST',
        headers: { authorization: `Bearer ${person.token}`, 'content-type': 'application/json' },
        body: JSON.stringify(task('a')),
      });
      const found = (await response.json()) as Problem;
      expect([response.status, found.type]).toEqual([503, 'urn:oo:problem:unavailable']);
      expect(found.detail).toContain('signals');
      const tip = await fetch(`${lonely.url}/v1/tip`, {
        headers: { authorization: `Bearer ${person.token}` },
      });
      expect([tip.status, ((await tip.json()) as Problem).type]).toEqual([503, 'urn:oo:problem:unavailable']);
    } finally {
      await lonely.close();
    }
  });

  it('takes so many requests of one person, and then tells when there is room again', async () => {
    const narrow = await startTestGateway(undefined, { OO_RATE_LIMIT: '10' });
    try {
      const [one, other] = [await narrow.person(), await narrow.person()];
      const ask = (bearer: string) =>
        fetch(`${narrow.url}/v1/tip`, { headers: { authorization: `Bearer ${bearer}` } });
      for (let request = 0; request < 10; request++) expect((await ask(one.token)).status).toBe(200);
      const refused = await ask(one.token);
      expect([refused.status, ((await refused.json()) as Problem).type]).toEqual([
        429,
        'urn:oo:problem:too-many-requests',
      ]);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await ask(other.token)).status).toBe(200);
    } finally {
      await narrow.close();
    }
  });
});
