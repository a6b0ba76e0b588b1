import { newUserId, ProblemError, TipKind, tenantId } from '@oo/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { providerAddresses } from './config.js';
import type { Connector } from './connectors/connector.js';
import { CONNECTORS } from './connectors/connectors.js';
import { Registry } from './connectors/registry.js';
import { demoConnector } from './demo/connector.js';
import { fetchText } from './fetch-text.js';
import { listCandidates } from './list-candidates.js';
import { type RecordedProvider, serveRecorded } from './providers/recorded-provider.js';

const USER = newUserId(tenantId('home'), new Uint8Array(16).fill(3));
const QUERY = { userId: USER, at: '2026-01-05T08:00:00Z' };

function named(name: string): Connector {
  const manifest = {
    ...demoConnector.manifest,
    name,
    address: `OO_${name.toUpperCase()}_URL`,
    // Long enough for whoever answers, on a busy machine too.
    timeoutMs: name === 'silent' ? 150 : 5_000,
  };
  return {
    ...demoConnector,
    manifest,
    mapper: {
      ...demoConnector.mapper,
      listing: (json) => {
        const listing = demoConnector.mapper.listing(json);
        const items = listing?.items.map((item) => ({ ...item, ref: item.ref.replace('demo:', `${name}:`) }));
        return listing && { items: items ?? [], unreadable: listing.unreadable };
      },
    },
  };
}
const task = (id: string) => ({
  id,
  title: `Title ${id}`,
  priority: 'high',
  createdAt: '2026-01-01T00:00:00Z',
  minutes: 5,
});
const candidate = (ref: string) => ({
  ref,
  kind: TipKind.TIP_KIND_TODO,
  priority: 'PRIORITY_HIGH',
  estimatedMinutes: 5,
});

let good: RecordedProvider;
let silent: RecordedProvider;
let registry: Registry;
let noticed: unknown[];
const notice = (event: unknown) => void noticed.push(event);

beforeEach(async () => {
  noticed = [];
  [good, silent] = [await serveRecorded(), await serveRecorded()];
  good.answerWith(200, JSON.stringify({ tasks: [task('b'), task('a')] }));
  silent.fallSilent();
  registry = new Registry([named('good'), named('silent'), named('off')], {
    OO_GOOD_URL: `${good.url}/`,
    OO_SILENT_URL: silent.url,
  });
});
afterEach(async () => {
  await Promise.all([good.close(), silent.close()]);
});

describe('candidates', () => {
  it('come from all who answer, by reference, and name who does not', async () => {
    expect(await listCandidates(registry, QUERY, notice)).toEqual({
      items: [candidate('good:task:a'), candidate('good:task:b')],
      unreachable: ['silent'],
    });
    expect(noticed).toEqual([{ provider: 'silent', reason: 'timeout' }]);
  });

  it('leave out what cannot be read, and say how many that were', async () => {
    silent.answerWith(200, JSON.stringify({ tasks: [] }));
    good.answerWith(200, JSON.stringify({ tasks: [task('a'), { id: 'a b', title: 'secret' }, task('c')] }));
    const { items, unreachable } = await listCandidates(registry, QUERY, notice);
    expect(items.map(({ ref }) => ref)).toEqual(['good:task:a', 'good:task:c']);
    expect(unreachable).toEqual([]);
    expect(noticed).toEqual([{ provider: 'good', reason: 'unreadable-items', count: 1 }]);
  });

  it('are none for a person whom the provider does not know', async () => {
    silent.answerWith(404, '{}');
    good.answerWith(404, '{}');
    expect(await listCandidates(registry, QUERY, notice)).toEqual({ items: [], unreachable: [] });
  });

  it('do not wait for an answer that never ends', async () => {
    good.answerWith(200, ' '.repeat(2 * 1024 * 1024));
    const { unreachable } = await listCandidates(registry, QUERY, notice);
    expect(unreachable).toEqual(['good', 'silent']);
    expect(noticed).toContainEqual({ provider: 'good', reason: 'too-large' });
  });
});

describe('a text', () => {
  const ask = (ref: string) => fetchText(registry, { userId: USER, ref }, notice);
  const problemOf = (ref: string) =>
    ask(ref).then(
      () => undefined,
      (error: unknown) => (error instanceof ProblemError ? error.problem.type : error),
    );

  it('comes from the provider that the reference names, cut to its limits and never through a character', async () => {
    good.answerWith(200, JSON.stringify({ ...task('a'), title: '😀'.repeat(300), notes: 'n' }));
    const { title, body, url } = await ask('good:task:a');
    expect(title).toBe(`${'😀'.repeat(249)}…`);
    expect([body, url]).toEqual(['n', '']);
    expect(good.lastPath()).toBe(`/people/${USER}/tasks/a`);
  });

  it('is empty when it is gone at its source', async () => {
    good.answerWith(410, '{}');
    expect(await ask('good:task:a')).toEqual({ ref: 'good:task:a', title: '', body: '', url: '' });
  });

  it('is empty for a kind that the manifest does not name, and the provider is not asked', async () => {
    expect(await ask('good:habit:a')).toMatchObject({ title: '' });
    expect(good.lastPath()).toBeUndefined();
  });

  it('is a problem when nobody has it, or its provider does not answer', async () => {
    expect(await problemOf('off:task:1')).toBe('urn:oo:problem:not-found');
    expect(await problemOf('nobody:task:1')).toBe('urn:oo:problem:not-found');
    expect(await problemOf('silent:task:1')).toBe('urn:oo:problem:unavailable');
  });
});

describe('the registry', () => {
  it('refuses two connectors of one name', () => {
    expect(() => new Registry([named('a'), named('a')], {})).toThrow('named "a"');
  });

  it('can be told where each connector of this build has its provider', () => {
    const variables = CONNECTORS.map(({ manifest }) => manifest.address);
    expect(variables.sort()).toEqual(Object.keys(providerAddresses.shape).sort());
  });

  it('refuses a manifest that is not valid', () => {
    const wrong = { ...demoConnector, manifest: { ...demoConnector.manifest, timeoutMs: 0 } };
    expect(() => new Registry([wrong], {})).toThrow('timeoutMs');
  });
});
