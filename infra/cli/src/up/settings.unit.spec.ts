import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@oo/embedded';
import { ConfigError } from '@oo/service-host/config';
import { describe, expect, it } from 'vitest';
import { readSettings, strangers } from './settings.js';

const read = (environment: Record<string, string>) =>
  readSettings(environment, '/somewhere/else', '/checkout');

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    read(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the settings', () => {
  it.each([
    ['OO_PORT', 'abc', 'a port from 1 to 65535'],
    ['OO_PORT', '0', 'a port from 1 to 65535'],
    ['OO_PORT', '70000', 'a port from 1 to 65535'],
    ['OO_DEMO_WEEKS', 'x', 'weeks of history, 0 to 52'],
    ['OO_DEMO_WEEKS', '99', 'weeks of history, 0 to 52'],
    ['OO_DEMO', 'maybe', 'on, off'],
    ['OO_DEMO_SEED', 'Ada!', '1 to 32 of a-z, 0-9 and "-"'],
    ['OO_LOG_LEVEL', 'loud', 'trace, debug, info, warn, error, fatal, silent'],
    ['OO_TENANT', 'My home', 'a lower-case letter, then up to 19 letters and digits'],
  ])('say of %s=%s what is allowed', (name, given, allowed) => {
    expect(problemsOf({ [name]: given })).toEqual([
      `${name}: given ${JSON.stringify(given)}; allowed: ${allowed}`,
    ]);
  });

  it('do not repeat what may hold a password', () => {
    for (const name of ['OO_EVENTSTORE_URL', 'OO_NATS_URL', 'OO_READMODELS_URL', 'OO_VAULT_URL']) {
      const [line = ''] = problemsOf({ [name]: 'http://user:hunter2@host' });
      expect(line).toMatch(
        new RegExp(`^${name}: given a value of \\d+ characters; allowed: .*://.* embedded server$`),
      );
      expect(line).not.toContain('hunter2');
    }
  });

  it('keep the data in the checkout, or in a folder of the working directory', () => {
    expect(read({}).dataDir).toBe('/checkout/.oo');
    expect(read({ OO_DATA_DIR: 'data' }).dataDir).toBe('/somewhere/else/data');
    expect(read({ OO_DATA_DIR: '/data' }).dataDir).toBe('/data');
  });
});

describe('a variable that nothing reads', () => {
  it.each([
    ['OO_PROT', 'OO_PORT'],
    ['OO_DEMOS', 'OO_DEMO'],
    ['OO_RATE_LIMT', 'OO_RATE_LIMIT'],
    ['OO_DATA-DIR', 'OO_DATA_DIR'],
  ])('%s is named, and %s offered', (given, meant) => {
    expect(strangers({ [given]: '1', PATH: '/bin' })).toEqual([
      `${given} is no setting, so it does nothing; do you mean ${meant}?`,
    ]);
  });

  it('is named also where nothing is near it', () => {
    expect(strangers({ OO_COLOUR: 'black' })).toEqual(['OO_COLOUR is no setting, so it does nothing']);
  });

  it('is none that a process of oO reads, as their schemas say', () => {
    // These `oo up` sets itself, so that from outside they do nothing.
    const own = [
      ...[
        'OO_AUTH_SECRET',
        'OO_CLOCK',
        'OO_DEMO_PROVIDER_URL',
        'OO_DEMO_TOKEN',
        'OO_DEMO_USER',
        'OO_HEALTH_PORT',
      ],
      ...['OO_OIDC_CLIENT_ID', 'OO_OIDC_CLIENT_SECRET', 'OO_OIDC_ISSUER', 'OO_PUBLIC_URL'],
    ];
    const names = ['infra', 'services', 'projections']
      .flatMap((folder) =>
        readdirSync(join(ROOT, folder), { recursive: true })
          .map((file) => join(ROOT, folder, String(file)))
          .filter((file) => /\/src\/.*\.ts$/.test(file) && !/\.spec\.ts$|node_modules/.test(file)),
      )
      .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/^ {2}(OO_[A-Z_]+): /gm)])
      .map(([, name = '']) => name);
    expect(names.length).toBeGreaterThan(20);
    const environment = Object.fromEntries(
      names.filter((name) => !own.includes(name)).map((name) => [name, '1']),
    );
    expect(strangers(environment)).toEqual([]);
  });
});
