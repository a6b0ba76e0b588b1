import { isUserId, tenantId, tenantOf } from '@oo/contracts';
import {
  passOn,
  postgresIsStarting,
  startDatabase,
  startTcpServer,
  type TestDatabase,
  urlAt,
} from '@oo/service-host/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createToken,
  ensurePerson,
  findPerson,
  issuerName,
  listPeople,
  listTokens,
  MAX_TOKENS,
  openSessions,
  openVault,
  revokeToken,
  type Vault,
  verifyToken,
} from './index.js';

const ISSUER = 'https://id.example';
const settings = {
  publicUrl: 'http://localhost:4646',
  secret: 'a secret of tests, forty characters long',
  log: () => undefined,
  oidc: { issuer: 'http://localhost:1', clientId: 'oo', clientSecret: 'secret' },
};

let database: TestDatabase;
let vault: Vault;
let subjects = 0;
const somebody = () => ensurePerson(vault, { issuer: ISSUER, subject: `s${++subjects}` });

beforeAll(async () => {
  database = await startDatabase();
  vault = await openVault(database.url, tenantId('home'));
});
afterAll(async () => {
  await vault?.close();
  await database?.close();
});

describe('the vault', () => {
  it('waits for a server that is away, or does not take connections yet', async () => {
    let refused = 0;
    const server = await startTcpServer((client, number) => {
      if (number >= 4) return passOn(client, database.url);
      refused++;
      client.end(number % 2 === 0 ? postgresIsStarting() : Buffer.alloc(0));
    });
    const late = await openVault(urlAt(server.port, database.url), tenantId('home'));
    expect(refused).toBe(4);
    expect(await late.answers()).toBe(true);
    await late.close();
    await server.close();
  });

  it('is made by several at once, and opened again as it is', async () => {
    const fresh = await startDatabase();
    try {
      const opened = await Promise.all(
        [1, 2, 3].map(async () => {
          const each = await openVault(fresh.url, tenantId('home'));
          await openSessions(each, settings);
          return each;
        }),
      );
      const user = await ensurePerson(opened[0] as Vault, { issuer: ISSUER, subject: 'a' });
      for (const each of opened) expect(await findPerson(each, { issuer: ISSUER, subject: 'a' })).toBe(user);
      await Promise.all(opened.map((each) => each.close()));
    } finally {
      await fresh.close();
    }
  });

  it('says when it does not answer', async () => {
    const gone = await openVault(database.url, tenantId('home'));
    expect(await gone.answers()).toBe(true);
    await gone.close();
    expect(await gone.answers()).toBe(false);
  });
});

describe('a person', () => {
  it('has one pseudonym, of the tenant and random, however many ask at once', async () => {
    const asked = await Promise.all(
      Array.from({ length: 10 }, () => ensurePerson(vault, { issuer: ISSUER, subject: 'ada' })),
    );
    expect(new Set(asked).size).toBe(1);
    const [user] = asked;
    expect(user !== undefined && isUserId(user) && tenantOf(user)).toBe('home');
    expect(user).not.toContain('ada');
  });

  it('is another for another subject, and for the same at another provider', async () => {
    const all = [
      await ensurePerson(vault, { issuer: ISSUER, subject: 'x' }),
      await ensurePerson(vault, { issuer: ISSUER, subject: 'y' }),
      await ensurePerson(vault, { issuer: 'https://other.example', subject: 'x' }),
    ];
    expect(new Set(all).size).toBe(3);
  });

  it('of this machine’s own provider is the same on any port', async () => {
    const user = await ensurePerson(vault, { issuer: 'http://localhost:4650', subject: 'demo' });
    expect(await findPerson(vault, { issuer: 'http://127.0.0.1:9999/', subject: 'demo' })).toBe(user);
    expect(issuerName('https://localhost.evil.example')).toBe('https://localhost.evil.example');
    expect(issuerName('urn:oo:command-line')).toBe('urn:oo:command-line');
  });

  it('is in the list', async () => {
    const user = await somebody();
    expect((await listPeople(vault)).map(({ userId }) => userId)).toContain(user);
  });
});

describe('an access token', () => {
  it('stands for its person and producer until it is revoked', async () => {
    const user = await somebody();
    const { token, id } = await createToken(vault, user, 'phone');
    expect(token).toMatch(/^oo_[A-Za-z0-9_-]{43}$/);
    expect(await verifyToken(vault, token)).toEqual({ userId: user, name: 'phone' });
    expect(await listTokens(vault, user)).toMatchObject([{ id, userId: user, name: 'phone' }]);
    expect(await revokeToken(vault, user, id)).toBe(true);
    expect(await verifyToken(vault, token)).toBeUndefined();
    expect(await revokeToken(vault, user, id)).toBe(false);
  });

  it('is nowhere in the database', async () => {
    const { token } = await createToken(vault, await somebody(), 'phone');
    const { rows } = await sql<{ row: string }>`select t::text as row from access_token t`.execute(vault.db);
    expect(rows.length).toBeGreaterThan(0);
    for (const { row } of rows) expect(row).not.toContain(token.slice(3, 20));
  });

  it('is not another’s to revoke', async () => {
    const { id, token } = await createToken(vault, await somebody(), 'phone');
    expect(await revokeToken(vault, await somebody(), id)).toBe(false);
    expect(await revokeToken(vault, await somebody(), 'x')).toBe(false);
    expect(await verifyToken(vault, token)).toBeDefined();
  });

  it.each(['', 'oo_', 'oo_short', `xx_${'a'.repeat(43)}`, `oo_${'a'.repeat(43)}`, `oo_${"'".repeat(43)}`])(
    'is not %j',
    async (text) => expect(await verifyToken(vault, text)).toBeUndefined(),
  );

  it.each(['', 'two words', '1st', 'page', 'tips', 'x'.repeat(65)])('cannot be called %j', async (name) => {
    const user = await somebody();
    await expect(createToken(vault, user, name)).rejects.toMatchObject({
      problem: { status: 400, errors: [{ field: 'name' }] },
    });
    expect(await listTokens(vault, user)).toEqual([]);
  });

  it('comes in a number that has an end', async () => {
    const user = await somebody();
    for (let count = 0; count < MAX_TOKENS; count++) await createToken(vault, user, 'phone');
    await expect(createToken(vault, user, 'phone')).rejects.toThrow(/revoke one/);
  });
});
