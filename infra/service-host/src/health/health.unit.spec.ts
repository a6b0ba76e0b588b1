import { expect, it } from 'vitest';
import { Health } from './health.js';

it('is ready when every check is well, and tells each', async () => {
  const health = new Health('signals', '1.2.3');
  expect(await health.ready()).toEqual({ name: 'signals', version: '1.2.3', status: 'ok', checks: {} });
  health.add('nats', () => ({ ok: true }));
  health.add('relay', async () => ({ ok: true, detail: { position: '7' } }));
  expect(await health.ready()).toMatchObject({
    status: 'ok',
    checks: { nats: { ok: true }, relay: { ok: true, detail: { position: '7' } } },
  });
});

it('is not ready when one is unwell, throws or never answers; live it is all the same', async () => {
  const health = new Health('signals', '1.2.3');
  health.add('unwell', () => ({ ok: false }));
  health.add('throws', () => {
    throw new Error('connection refused');
  });
  health.add('silent', () => new Promise(() => {}));
  health.add('well', () => ({ ok: true }));
  const report = await health.ready();
  expect(report.status).toBe('unavailable');
  expect(report.checks).toEqual({
    unwell: { ok: false },
    throws: { ok: false, detail: { reason: 'connection refused' } },
    silent: { ok: false, detail: { reason: 'no answer within 2000 ms' } },
    well: { ok: true },
  });
  expect(health.live().status).toBe('ok');
});
