import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@oo/embedded';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Pictures of what a person sees; the README shows one of them. */
const PICTURES = join(ROOT, 'test-results/pictures');
/** Drawn anew into docs/ by a run with OO_UPDATE_PICTURES=1. */
const README_PICTURE = 'desktop-tip';

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
  const png = await page.screenshot({ path: join(PICTURES, `${name}.png`) });
  if (name === README_PICTURE && process.env.OO_UPDATE_PICTURES === '1') {
    const { width, height } = page.viewportSize() ?? DESKTOP.viewport;
    mkdirSync(join(ROOT, 'docs'), { recursive: true });
    writeFileSync(join(ROOT, 'docs/page.svg'), svgAround(png, width, height));
  }
}

/** A picture as text, since the repository holds no binary files. */
const svgAround = (png: Buffer, width: number, height: number): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><title>The page with one tip</title>` +
  `<image width="${width}" height="${height}" href="data:image/png;base64,${png.toString('base64')}"/></svg>\n`;

/** Signs in as the demo's person, the way a newcomer does. */
export async function signIn(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByTestId('sign-in').click();
  await page.getByRole('button', { name: /demo/i }).click();
  await page.waitForURL(`${url}/**`);
}
