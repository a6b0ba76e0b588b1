import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Producer, RunningOo } from '@oo/cli/testing';
import { expect, it } from 'vitest';
import { openBrowser, signIn } from './browser.js';

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

const holding = (folders: readonly string[], text: string): string[] =>
  folders
    .flatMap((folder) => [...filesBelow(folder)])
    .filter((path) => statSync(path).size < 2 ** 30 && readFileSync(path).includes(text));

it('keeps a provider’s text out of store, broker, database and logs, also after the tip was shown', async () => {
  const canary = `canary-${Math.random().toString(36).slice(2)}`;
  const oo = await RunningOo.start({
    OO_DEMO_WEEKS: '1',
    OO_DEMO_PACE: '0',
    OO_DEMO_CANARY: canary,
    OO_LOG_LEVEL: 'trace',
  });
  const browser = await openBrowser();
  try {
    const page = await browser.newPage();
    await signIn(page, oo.url);
    await page.getByTestId('tip').waitFor({ timeout: 60_000 });
    const { token } = await oo.json<{ token: string }>('token', 'demo');
    // A producer that tries to bring a text in is refused, and the refusal does not repeat it into a log.
    const refused = await new Producer(oo, token).send('POST', '/v1/signals', {
      type: 'TaskObserved',
      idempotencyKey: 'k',
      occurredAt: new Date().toISOString(),
      data: { ref: 'demo:task:1', title: canary },
    });
    expect(refused.status).toBe(400);
    await oo.quiet();
    const folder = (name: string) => join(oo.dataDir, name);
    const provider = holding([folder('demo')], canary);
    expect(provider.length).toBeGreaterThan(0);
    await oo.stop();
    expect(holding(['eventstore', 'nats', 'postgres', 'logs', 'identity'].map(folder), canary)).toEqual([]);
  } finally {
    await browser.close();
    await oo.dispose();
  }
}, 300_000);
