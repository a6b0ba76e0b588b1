import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '@oo/service-host';
import { freePort } from '@oo/service-host/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Accounts, DEMO_ACCOUNT, durableKeys, identityServer } from './index.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'oo-identity-'));
  return () => rm(folder, { recursive: true });
});

describe('accounts', () => {
  it('have the demo’s from the beginning, and others by name whatever its case', async () => {
    const accounts = await Accounts.open(folder);
    expect(accounts.all()).toEqual([DEMO_ACCOUNT]);
    const ada = await accounts.ensure('Ada');
    expect(await accounts.ensure('ADA')).toEqual(ada);
    expect(await accounts.ensure('demo')).toEqual(DEMO_ACCOUNT);
    expect(accounts.bySubject(ada?.subject ?? '')).toEqual(ada);
  });

  it('are there after another start, all of several that were made at once', async () => {
    const accounts = await Accounts.open(folder);
    await Promise.all(['Ada', 'Bob', 'Eve'].map((name) => accounts.ensure(name)));
    expect((await Accounts.open(folder)).all()).toEqual(accounts.all());
    expect(accounts.all()).toHaveLength(4);
  });

  it('end at a number', async () => {
    const accounts = await Accounts.open(folder);
    for (let number = 0; number < 100; number++)
      expect(await accounts.ensure(`Person ${number}`)).toBeDefined();
    expect(await accounts.ensure('One more')).toBeUndefined();
    expect(await accounts.ensure('Person 7')).toBeDefined();
  });
});

describe('keys', () => {
  it('are made once, and for the owner’s eyes', async () => {
    const keys = await durableKeys(folder);
    expect(await durableKeys(folder)).toEqual(keys);
    expect((await stat(join(folder, 'keys.json'))).mode & 0o077).toBe(0);
    expect(JSON.parse(await readFile(join(folder, 'keys.json'), 'utf8'))).toEqual(keys);
  });
});

describe('the provider', () => {
  let server: Server;
  let issuer: string;
  let place: string;
  const client = { clientId: 'oo', clientSecret: 'a secret of tests' };
  const publicUrl = 'http://localhost:4646';

  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'oo-identity-'));
    const parts = [
      await durableKeys(place),
      await Accounts.open(place),
      createLog('identity', 'silent'),
    ] as const;
    const port = await freePort();
    issuer = `http://127.0.0.1:${port}`;
    server = identityServer({ issuer, publicUrl, ...client }, ...parts);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve).closeAllConnections());
    await rm(place, { recursive: true });
  });

  it('can be discovered, and signs with the key that it shows', async () => {
    const found = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as Record<
      string,
      unknown
    >;
    expect(found).toMatchObject({ issuer, id_token_signing_alg_values_supported: ['ES256'] });
    const { keys } = (await (await fetch(String(found.jwks_uri))).json()) as {
      keys: Record<string, unknown>[];
    };
    expect(keys).toHaveLength(1);
    expect(keys[0]).toMatchObject({ kty: 'EC', crv: 'P-256', use: 'sig' });
    expect(keys[0]).not.toHaveProperty('d');
  });

  it('sends nobody to another place than oO', async () => {
    const query = new URLSearchParams({
      client_id: 'oo',
      response_type: 'code',
      scope: 'openid',
      redirect_uri: 'https://evil.example/',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    });
    const response = await fetch(`${issuer}/auth?${query}`, { redirect: 'manual' });
    expect([response.status, response.headers.get('location')]).toEqual([400, null]);
    expect(await response.text()).toContain('Back to oO');
  });

  it('takes no code without its proof (PKCE)', async () => {
    const callback = `${publicUrl}/api/auth/callback/oidc`;
    const query = new URLSearchParams({
      client_id: 'oo',
      response_type: 'code',
      scope: 'openid',
      redirect_uri: callback,
    });
    const response = await fetch(`${issuer}/auth?${query}`, { redirect: 'manual' });
    expect(response.headers.get('location')).toMatch(/error=invalid_request/);
  });

  it('has nothing to say to who did not begin here', async () => {
    for (const method of ['GET', 'POST']) {
      const response = await fetch(`${issuer}/interaction/abc`, { method });
      expect(response.status).toBe(400);
      expect(await response.text()).toContain('begin again');
      expect(response.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    }
  });

  it('is healthy, and says so in the words of every part', async () => {
    for (const path of ['/health/live', '/health/ready']) {
      expect(await (await fetch(issuer + path)).json()).toMatchObject({ name: 'identity', status: 'ok' });
    }
  });

  it('shows the mark where browsers look for it, and its policy lets them', async () => {
    const icon = await fetch(`${issuer}/favicon.ico`);
    expect([icon.status, icon.headers.get('content-type')]).toEqual([200, 'image/svg+xml']);
    expect(await icon.text()).toContain('<circle');
    const page = await fetch(`${issuer}/interaction/abc`);
    expect(await page.text()).toContain('<link rel="icon" href="/favicon.ico"');
    expect(page.headers.get('content-security-policy')).toContain("img-src 'self'");
  });

  it('brings its own faces', async () => {
    for (const name of ['serif', 'sans']) {
      const response = await fetch(`${issuer}/fonts/${name}.woff2`);
      expect(response.headers.get('content-type')).toBe('font/woff2');
      expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(10_000);
    }
  });
});
