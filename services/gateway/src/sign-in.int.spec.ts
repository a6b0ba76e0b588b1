import { ensurePerson } from '@oo/auth';
import { type Problem, problem } from '@oo/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestGateway, TestBrowser, type TestGateway } from './testing/index.js';

let gateway: TestGateway;
let browser: TestBrowser;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway?.close());
beforeEach(() => {
  browser = new TestBrowser();
  gateway.world.sent.length = 0;
});

/** Calls a procedure of the page's router with the browser's cookies. */
async function page(path: string, input: unknown, headers: Record<string, string> = {}) {
  const response = await browser.fetch(`${gateway.url}/trpc/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: gateway.url, ...headers },
    body: JSON.stringify(input),
  });
  const json = (await response.json()) as {
    result?: { data?: { signedIn: boolean; userId: string; name: string; consented: boolean } };
    error?: { data: { problem: Problem } };
  };
  return { status: response.status, data: json.result?.data, problem: json.error?.data.problem };
}

const arrive = () => page('arrive', { utcOffsetMinutes: 60 });

describe('signing in', () => {
  it('ends on the page, with a session, as the person that the vault had for the demo’s account', async () => {
    const userId = await ensurePerson(gateway.vault, { issuer: 'http://localhost', subject: 'demo' });
    const { url, response } = await browser.signIn(gateway.url, { subject: 'demo' });
    expect([url, response.status]).toEqual([`${gateway.url}/`, 200]);
    expect((await arrive()).data).toEqual({ signedIn: true, userId, name: 'Demo', consented: false });
  });

  it('registers a newcomer once, and takes consent', async () => {
    await browser.signIn(gateway.url, { name: 'Ada' });
    expect((await arrive()).data).toMatchObject({ signedIn: true, name: 'Ada', consented: false });
    await arrive();
    expect(gateway.world.commands('RegisterUser')).toHaveLength(1);
    expect(gateway.world.commands('RegisterUser')[0]?.body).toMatchObject({ utcOffsetMinutes: 60 });
    await page('begin', { key: 'a' });
    expect(gateway.world.commands('GrantConsent')[0]?.body).toMatchObject({
      scope: 'CONSENT_SCOPE_TIPS',
      termsVersion: 'tips-1',
    });
    expect((await arrive()).data).toMatchObject({ consented: true });
  });

  it('gives the same name the same person, and another name another', async () => {
    const people: (string | undefined)[] = [];
    for (const name of ['Bob', 'bob ', 'Eve']) {
      browser = new TestBrowser();
      await browser.signIn(gateway.url, { name });
      people.push((await arrive()).data?.userId);
    }
    expect(people[0]).toBeDefined();
    expect(people[1]).toBe(people[0]);
    expect(people[2]).not.toBe(people[0]);
  });

  it('asks again for a name that is none', async () => {
    const { response } = await browser.signIn(gateway.url, { name: '<script>' });
    expect(response.status).toBe(422);
    const text = await response.text();
    expect(text).toContain('Use 1 to 40 letters');
    expect(text).not.toContain('<script>');
  });

  it('is over after signing out', async () => {
    await browser.signIn(gateway.url, { name: 'Ada' });
    const before = browser.cookie;
    const signOut = {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: gateway.url },
      body: '{}',
    };
    expect((await browser.fetch(`${gateway.url}/api/auth/sign-out`, signOut)).status).toBe(200);
    expect((await arrive()).data).toEqual({ signedIn: false });
    const replayed = await fetch(`${gateway.url}/v1/tip`, { headers: { cookie: before } });
    expect(replayed.status).toBe(401);
  });

  it('comes back to the page with a word when the provider says no', async () => {
    const { url } = await browser.visit(`${gateway.url}/api/auth/callback/oidc?error=access_denied&state=x`);
    expect(url).toContain('/?sign-in=failed');
  });

  it('survives another start of the gateway', async () => {
    await browser.signIn(gateway.url, { name: 'Ada' });
    const before = (await arrive()).data;
    await gateway.stop();
    await gateway.start();
    expect((await arrive()).data).toEqual(before);
  });

  it('keeps its cookie from scripts and from other sites', async () => {
    await browser.signIn(gateway.url, { name: 'Ada' });
    const other = new TestBrowser();
    const { url } = (await (
      await other.fetch(`${gateway.url}/api/auth/sign-in/social`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: gateway.url },
        body: JSON.stringify({ provider: 'oidc', callbackURL: '/' }),
      })
    ).json()) as { url: string };
    expect(new URL(url).origin).toBe(gateway.issuer);
    expect(new URL(url).searchParams.get('code_challenge_method')).toBe('S256');
    const asked = await other.visit(url);
    const answer = await other.fetch(asked.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ subject: 'demo' }),
    });
    const back = await other.fetch(answer.headers.get('location') ?? '');
    const session = await other.fetch(back.headers.get('location') ?? '');
    const cookie = session.headers.getSetCookie().find((line) => line.startsWith('oo.session_token='));
    expect(cookie).toMatch(/HttpOnly/i);
    expect(cookie).toMatch(/SameSite=Lax/i);
  });

  it.each(['https://evil.example/', '//evil.example', 'javascript:alert(1)'])(
    'never goes on to %s',
    async (callbackURL) => {
      const response = await browser.fetch(`${gateway.url}/api/auth/sign-in/social`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: gateway.url },
        body: JSON.stringify({ provider: 'oidc', callbackURL }),
      });
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.headers.get('content-type')).toContain('application/problem+json');
    },
  );
});

describe('another site', () => {
  it.each([
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'null' },
  ])('cannot use the session: %o', async (headers) => {
    await browser.signIn(gateway.url, { name: 'Ada' });
    const response = await browser.fetch(`${gateway.url}/v1/signals`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({
        type: 'MoodReported',
        idempotencyKey: 'k',
        occurredAt: '2026-01-05T08:00:00Z',
        data: {},
      }),
    });
    expect(response.status).toBe(403);
    expect(((await response.json()) as Problem).type).toBe('urn:oo:problem:cross-origin');
    expect(gateway.world.commands('RecordSignal')).toEqual([]);
  });

  it('gets nothing to frame and nothing to read', async () => {
    const { headers } = await fetch(`${gateway.url}/v1/tip`, { headers: { origin: 'https://evil.example' } });
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  });
});

describe('the page’s router', () => {
  it('says that nobody is signed in, without an error', async () => {
    expect((await arrive()).data).toEqual({ signedIn: false });
    expect((await page('opened', signal())).problem?.type).toBe('urn:oo:problem:not-signed-in');
  });

  it('answers with the problem of what stands behind, and its status', async () => {
    await browser.signIn(gateway.url, { name: 'Ada' });
    gateway.world.refusal = problem('unknown-tip', 'There is none.');
    const { status, problem: found } = await page('answer', {
      tipId: '0b9f1f5e-6a55-4c5b-9f42-8a5bd1f7d0aa',
      answer: 'done',
      agoMs: 0,
      key: 'k',
    });
    gateway.world.refusal = undefined;
    expect([status, found]).toEqual([404, problem('unknown-tip', 'There is none.')]);
  });

  it('makes a time of how long ago something happened', async () => {
    await browser.signIn(gateway.url, { name: 'Ada' });
    await page('opened', { ...signal(), agoMs: 3_600_000 });
    const context = gateway.world.commands('RecordSignal')[0]?.body.context as {
      occurredAt: string;
      receivedAt: string;
    };
    const ago = Date.parse(context.receivedAt) - Date.parse(context.occurredAt);
    expect(ago).toBeGreaterThanOrEqual(3_600_000);
    expect(ago).toBeLessThan(3_700_000);
  });

  it.each([
    ['an unknown field', 'opened', { color: 'red' }, 'color'],
    ['a device that is none', 'opened', { device: 'toaster' }, 'device'],
    ['a time ahead', 'opened', { agoMs: -1 }, 'agoMs'],
    ['a tip that is none', 'answer', { tipId: 'x', answer: 'done', agoMs: 0, key: 'k' }, 'tipId'],
    [
      'an answer that is none',
      'answer',
      { tipId: '0b9f1f5e-6a55-4c5b-9f42-8a5bd1f7d0aa', answer: 'hm', agoMs: 0, key: 'k' },
      'answer',
    ],
  ])('refuses %s and names it', async (_name, path, wrong, field) => {
    await browser.signIn(gateway.url, { name: 'Ada' });
    const input = path === 'opened' ? { ...signal(), ...wrong } : wrong;
    const { status, problem } = await page(path, input);
    expect([status, problem?.type]).toEqual([400, 'urn:oo:problem:invalid-input']);
    expect(problem?.errors.map((error) => error.field)).toContain(field);
    expect(gateway.world.commands('RecordSignal')).toEqual([]);
    expect(gateway.world.commands('AnswerTip')).toEqual([]);
  });
});

const signal = () => ({ key: 'k', agoMs: 0, device: 'phone', utcOffsetMinutes: 60 });
