import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@oo/embedded';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Pictures of what a person sees; the README shows one of them. */
const PICTURES = join(ROOT, 'test-results/pictures');

export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

/** The Chromium that `npm test` found or installed. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.OO_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  });
}

export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

/** Signs in as the demo's person, the way a newcomer does. */
export async function signIn(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByTestId('sign-in').click();
  await page.getByRole('button', { name: /demo/i }).click();
  await page.waitForURL(`${url}/**`);
}
