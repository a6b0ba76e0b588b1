import { eventually, RunningOo } from '@oo/cli/testing';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DESKTOP, openBrowser, PHONE, picture, signIn } from './browser.js';

interface TimelineItem {
  readonly type: string;
  readonly tipId?: string;
  readonly recordedAt: string;
}

let oo: RunningOo;
let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser?.close());

const newest = async (types: readonly string[], since: string): Promise<TimelineItem[]> =>
  (await oo.json<{ items: TimelineItem[] }>('timeline', 'demo', '--limit', '60')).items.filter(
    (item) => types.includes(item.type) && item.recordedAt > since,
  );

const DECISIONS = ['TipProposed', 'TipWithheld', 'DecisionVoided'];

describe.each<[string, BrowserContextOptions]>([
  ['desktop', DESKTOP],
  ['phone', PHONE],
])('the page on a %s', (size, options) => {
  // One for each: a person's decisions are capped by the hour, and some of them are to wait.
  beforeAll(async () => {
    oo = await RunningOo.start();
  }, 300_000);
  afterAll(() => oo?.dispose());

  it('signs in, shows a tip, takes an answer, and the next decision is recorded', async () => {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    await page.goto(oo.url);
    await page.getByTestId('sign-in').waitFor();
    await picture(page, `${size}-signed-out`);
    await signIn(page, oo.url);

    // The recommender explores: one page in twenty is made to wait some quarters of a minute.
    await page.getByTestId('tip').waitFor({ timeout: 120_000 });
    const title = await page.getByTestId('tip-title').innerText();
    expect(title.length).toBeGreaterThan(3);
    await picture(page, `${size}-tip`);

    await page.getByTestId('why').click();
    // As it was asked: when the page was opened, or at the moment that was planned then.
    await expect
      .poll(() => page.getByTestId('why-panel').innerText())
      .toMatch(/You opened the page\.|oO had planned to think again now\./);
    await picture(page, `${size}-why`);
    await page.keyboard.press('Escape');

    const before = new Date().toISOString();
    await page.getByTestId('answer-done').click();
    await page.getByTestId('tip').waitFor({ state: 'detached', timeout: 5_000 });
    await picture(page, `${size}-answered`);
    await eventually('the answer is recorded', async () => (await newest(['TipCompleted'], before))[0]);

    const answered = new Date().toISOString();
    const posted = await oo.oo('signal', 'MoodReported', '--data', '{"valence":1,"energy":1}');
    expect(posted.stderr).toBe('');
    await eventually('a next decision is recorded', async () => (await newest(DECISIONS, answered))[0]);
    expect(faults).toEqual([]);
    await context.close();
  }, 240_000);

  it('keeps the tip and takes the answer while the network is cut, and sends it once', async () => {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    await signIn(page, oo.url);
    await page.getByTestId('tip').waitFor({ timeout: 120_000 });
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
    const title = await page.getByTestId('tip-title').innerText();

    const before = new Date().toISOString();
    await context.setOffline(true);
    await page.getByTestId('note').waitFor();
    await page.reload();
    await page.getByTestId('tip').waitFor();
    expect(await page.getByTestId('tip-title').innerText()).toBe(title);
    await picture(page, `${size}-offline`);
    await page.getByTestId('answer-later').click();
    await page.getByTestId('tip').waitFor({ state: 'detached' });
    await picture(page, `${size}-offline-answered`);
    expect(await newest(['TipSnoozed'], before)).toEqual([]);

    await context.setOffline(false);
    await eventually('the answer arrives', async () => (await newest(['TipSnoozed'], before))[0]);
    await oo.quiet();
    expect(await newest(['TipSnoozed'], before)).toHaveLength(1);
    await context.close();
  }, 240_000);
});
