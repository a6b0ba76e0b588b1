import { ConfigError, readConfig } from '@oo/service-host';
import { expect, it } from 'vitest';
import { demoConfig } from './configuration.js';

const NEEDED = {
  OO_NATS_URL: 'nats://token@127.0.0.1:4222',
  OO_PUBLIC_URL: 'http://localhost:4646',
  OO_DATA_DIR: '/tmp/somewhere',
  OO_DEMO_USER: 'home_0000000000000000000000000a',
  OO_DEMO_TOKEN: 'oo_secret',
  OO_DEMO_PROVIDER_URL: 'http://127.0.0.1:4711',
};

it('has defaults for all but what only the caller can know', () => {
  expect(readConfig(demoConfig, NEEDED)).toMatchObject({
    OO_DEMO_SEED: 'oo',
    OO_DEMO_WEEKS: 2,
    OO_DEMO_PACE: 1,
    OO_DEMO_CANARY: '',
  });
});

it.each([
  ['OO_DEMO_USER', 'somebody', 'TENANT_RANDOM'],
  ['OO_DEMO_PROVIDER_URL', 'http://example.org:80', 'http://127.0.0.1:PORT'],
  ['OO_DEMO_WEEKS', '53', '0 to 52'],
  ['OO_DEMO_WEEKS', 'two', '0 to 52'],
  ['OO_DEMO_PACE', '-1', '0 to 10000'],
  ['OO_DEMO_UTC_OFFSET', '900', '-840 to 840'],
])('refuses %s=%s and says what is allowed', (name, value, allowed) => {
  const read = () => readConfig(demoConfig, { ...NEEDED, [name]: value });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(`${name}: given ${JSON.stringify(value)}; allowed: `);
  expect(read).toThrow(allowed);
});
