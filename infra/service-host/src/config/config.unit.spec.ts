import { PARTITIONS } from '@oo/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, readConfig } from './config.js';
import { CONFIG } from './pieces.js';

const schema = z.object(CONFIG);
const GOOD = {
  OO_EVENTSTORE_URL: 'esdb://127.0.0.1:2113?tls=false',
  OO_NATS_URL: 'nats://token@127.0.0.1:4222,nats://token@127.0.0.1:4223',
  OO_READMODELS_URL: 'postgres://oo:secret@127.0.0.1:5432/readmodels',
  OO_VAULT_URL: 'postgres://oo:secret@127.0.0.1:5432/vault',
  OO_PORT: '8080',
  OO_PUBLIC_URL: 'http://localhost:8080',
  OO_DATA_DIR: '.oo',
};

function problemsOf(environment: Record<string, string | undefined>): readonly string[] {
  try {
    readConfig(schema, { ...GOOD, ...environment });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  it('has defaults for what need not be given', () => {
    expect(readConfig(schema, GOOD)).toMatchObject({
      OO_PORT: 8080,
      OO_CLOCK: 'system',
      OO_LOG_LEVEL: 'info',
      OO_TENANT: 'home',
    });
    expect(readConfig(schema, GOOD).OO_PARTITIONS.size).toBe(PARTITIONS);
    expect(readConfig(schema, GOOD).OO_HEALTH_PORT).toBeUndefined();
  });

  it('names everything that is wrong at once, with what was given and what is allowed', () => {
    expect(
      problemsOf({
        OO_PORT: '70000',
        OO_CLOCK: 'broken',
        OO_DATA_DIR: undefined,
        OO_NATS_URL: '',
        OO_TENANT: 'My home',
      }),
    ).toEqual([
      'OO_NATS_URL: not given; allowed: nats://TOKEN@HOST:PORT, several with commas between',
      'OO_PORT: given "70000"; allowed: a port from 1 to 65535',
      'OO_CLOCK: given "broken"; allowed: system, steered',
      'OO_TENANT: given "My home"; allowed: a lower-case letter, then up to 19 letters and digits',
      'OO_DATA_DIR: not given; allowed: a folder',
    ]);
  });

  it('repeats no secret', () => {
    const [line] = problemsOf({ OO_VAULT_URL: 'mysql://oo:hunter2@127.0.0.1/vault' });
    expect(line).toContain('OO_VAULT_URL: given a value of 34 characters');
    expect(line).not.toContain('hunter2');
  });

  it('reads partitions as numbers and ranges', () => {
    expect([...readConfig(schema, { ...GOOD, OO_PARTITIONS: '0-2, 40' }).OO_PARTITIONS]).toEqual([
      0, 1, 2, 40,
    ]);
    for (const wrong of ['64', '3-1', '-1', '1,', 'some', '1-2-3']) {
      expect(problemsOf({ OO_PARTITIONS: wrong }), wrong).toHaveLength(1);
    }
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(PARTITIONS - 1), { minLength: 1 }), (numbers) => {
        const { OO_PARTITIONS } = readConfig(schema, { ...GOOD, OO_PARTITIONS: numbers.join(',') });
        expect(OO_PARTITIONS).toEqual(new Set(numbers));
      }),
    );
  });
});
