import { readConfig } from '@oo/service-host';
import { describe, expect, it } from 'vitest';
import { identityConfig } from './config.js';

const good = {
  OO_OIDC_ISSUER: 'http://localhost:4650',
  OO_OIDC_CLIENT_SECRET: 'a secret of sixteen',
  OO_PUBLIC_URL: 'http://localhost:4646',
  OO_DATA_DIR: '/tmp/identity',
};

describe('the identity provider’s configuration', () => {
  it('is enough with four variables', () => {
    expect(readConfig(identityConfig, good)).toMatchObject({ OO_OIDC_CLIENT_ID: 'oo', OO_HOST: '127.0.0.1' });
  });

  it.each([
    ['another machine', 'https://id.example'],
    ['no port', 'http://localhost'],
    ['no URL', 'localhost:4650'],
  ])('has an issuer on this machine: not %s', (_name, issuer) => {
    expect(() => readConfig(identityConfig, { ...good, OO_OIDC_ISSUER: issuer })).toThrow(
      /OO_OIDC_ISSUER.*loopback|OO_OIDC_ISSUER.*localhost/,
    );
  });

  it('does not repeat a secret', () => {
    const secret = 'too short';
    expect(() => readConfig(identityConfig, { ...good, OO_OIDC_CLIENT_SECRET: secret })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(secret) }),
    );
  });
});
