import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { problem, type UserId } from '@oo/contracts';
import { decisionRecord, type Sent, startTestGateway, type TestGateway } from '@oo/gateway/testing';
import axe, { type AxeResults } from 'axe-core';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};
const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };
/** Where pictures go, when somebody wants to look at them. */
const PICTURES = process.env.OO_PICTURES;

let gateway: TestGateway;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let faults: string[];
let newcomers = 0;

beforeAll(async () => {
  [gateway, browser] = await Promise.all([
    startTestGateway(DIST),
    chromium.launch({
      executablePath: process.env.OO_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    }),
  ]);
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await gateway?.close();
});

beforeEach(() => {
  faults = [];
  gateway.world.refusal = undefined;
  gateway.world.texts = new Map([
    ['demo:task:1', { title: 'Call the dentist about Thursday', body: 'They open at eight.' }],
    ['demo:task:2', { title: 'Water the plants' }],
  ]);
});
afterEach(() => context?.close());

async function open(options: BrowserContextOptions = DESKTOP): Promise<void> {
  context = await browser.newContext(options);
  page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
}

const seen = (name: string) => page.getByTestId(name);
async function picture(name: string): Promise<void> {
  if (PICTURES === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.waitForTimeout(1_600);
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

/** Signs in as somebody new, and begins. */
async function begin(): Promise<UserId> {
  await page.goto(gateway.url);
  await seen('sign-in').click();
  const name = `Ada ${++newcomers}`;
  await page.getByLabel('Or as somebody else').fill(name);
  await page.getByRole('button', { name: 'Go' }).click();
  await seen('begin').click();
  await seen('no-tip').waitFor();
  return newest();
}

async function eventually(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !(await check()); ) {
    if (Date.now() > deadline) throw new Error(`it never came true that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
const contextOf = ({ body }: Sent) =>
  body.context as { userId: UserId; commandId: string; occurredAt: string };
const ofUser = (name: string, user: UserId) =>
  gateway.world.commands(name).filter((sent) => contextOf(sent).userId === user);
/** Whoever was the last to begin. */
function newest(): UserId {
  const sent = gateway.world.commands('GrantConsent').at(-1);
  if (sent === undefined) throw new Error('nobody has begun');
  return contextOf(sent).userId;
}

/** Sizes at which the page is used: phone both ways, a desktop, and the same at a zoom of 200 % and 400 %. */
const SIZES = [
  { width: 390, height: 844 },
  { width: 844, height: 390 },
  { width: 1280, height: 800 },
  { width: 640, height: 400 },
  { width: 320, height: 256 },
];
/** Its rules hold what is there, which the other sizes only move. */
const AXE_WIDTHS = [390, 1280];

/**
 * Holds the page as it is now against axe's rules, and against what axe does not see: at no size does it have to be
 * moved sideways, and whatever is pressed has 44 px both ways (WCAG 1.4.10, 2.5.5).
 */
async function accessible(state: string): Promise<void> {
  for (const size of SIZES) {
    await page.setViewportSize(size);
    const found: string[] = [];
    if (AXE_WIDTHS.includes(size.width)) {
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate<AxeResults>('axe.run()');
      found.push(...violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`)));
    }
    const measured = await page.evaluate(() => ({
      // The answers stay in sight over long words, but not over the title.
      covered:
        (document.querySelector('.said h1')?.getBoundingClientRect().bottom ?? 0) >
        (document.querySelector('.answers button')?.getBoundingClientRect().top ?? Number.POSITIVE_INFINITY),
      sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      small: [...document.querySelectorAll('button')]
        .map((button) => ({ name: button.textContent, box: button.getBoundingClientRect() }))
        .filter(({ box }) => box.width < 44 || box.height < 44)
        .map(({ name, box }) => `${name}: ${box.width} × ${box.height}`),
    }));
    const at = `${state} at ${size.width} × ${size.height}`;
    expect({ at, found, ...measured }).toEqual({ at, found: [], covered: false, sideways: 0, small: [] });
    if (PICTURES !== undefined) await page.screenshot({ path: `${PICTURES}/${state}-${size.width}.png` });
  }
}

/** Answers every call of the page with a failure, as a broken gateway or something before it does. */
async function breakGateway(): Promise<void> {
  await context.route('**/trpc/**', (route) =>
    route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad Gateway</h1>' }),
  );
}
const mendGateway = () => context.unroute('**/trpc/**');

const LONG_TITLE =
  'Write to the landlord about the damp in the back room, with the pictures from Tuesday and the numbers of the two ' +
  'companies that have been there already';

/** What the device keeps in a store of its memory. */
const kept = (store: 'person' | 'letters'): Promise<unknown[]> =>
  page.evaluate(async (name) => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open('oo');
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const values = await new Promise<unknown[]>((resolve) => {
      const request = database.transaction(name).objectStore(name).getAll();
      request.onsuccess = () => resolve(request.result);
    });
    database.close();
    return values;
  }, store);

describe.each([
  ['desktop', DESKTOP],
  ['phone', PHONE],
])('the page on a %s', (size, options) => {
  it('is signed in to, shows a tip as it comes, says why, and takes the answer', async () => {
    await open(options);
    await page.goto(gateway.url);
    await seen('sign-in').waitFor();
    await picture(`${size}-1-signed-out`);
    await seen('sign-in').click();
    await page.getByRole('button', { name: 'Continue as Demo' }).waitFor();
    await picture(`${size}-2-identity`);
    const name = `${size} Person`;
    await page.getByLabel('Or as somebody else').fill(name);
    await page.getByRole('button', { name: 'Go' }).click();
    await seen('begin').waitFor();
    await picture(`${size}-3-begin`);
    await seen('begin').click();
    await seen('no-tip').waitFor();
    await picture(`${size}-4-quiet`);
    const user = newest();
    expect(ofUser('RegisterUser', user)).toHaveLength(1);
    await eventually('the opening is told', () => ofUser('RecordSignal', user).length === 1);
    expect(ofUser('RecordSignal', user)[0]?.body).toMatchObject({
      contextObserved: { kind: 'CONTEXT_KIND_PAGE_OPENED' },
    });

    const tipId = await gateway.world.propose(user, 'demo:task:1', {
      momentReasons: [
        { code: 'moment.free.for', contribution: 0.8 },
        { code: 'moment.good_lately.for', contribution: 0.3 },
      ],
      tipReasons: [
        { code: 'tip.due.for', contribution: 1.2 },
        { code: 'tip.effort.against', contribution: -0.4 },
      ],
    });
    await seen('tip').waitFor();
    expect(await seen('tip-title').textContent()).toBe('Call the dentist about Thursday');
    await picture(`${size}-5-tip`);
    await eventually('the showing is told', () => ofUser('ShowTip', user).length === 1);

    await seen('why').click();
    await seen('why-panel').waitFor();
    await page.getByText('Why this', { exact: true }).waitFor();
    await picture(`${size}-6-why`);
    await page.keyboard.press('Escape');
    await seen('why-panel').waitFor({ state: 'detached' });

    await seen('answer-later').click();
    await seen('tip').waitFor({ state: 'detached' });
    await eventually('the answer arrives', () => ofUser('AnswerTip', user).length === 1);
    expect(ofUser('AnswerTip', user)[0]?.body).toMatchObject({ tipId, answer: 'ANSWER_LATER' });
    await picture(`${size}-7-answered`);
    expect(faults).toEqual([]);
  }, 60_000);
});

describe('the page without a network', () => {
  it('keeps the tip over a reload and the answer until the network is back, and sends it once with its own time', async () => {
    await open(PHONE);
    const user = await begin();
    await gateway.world.propose(user, 'demo:task:1');
    await seen('tip').waitFor();
    await eventually('the showing is told', () => ofUser('ShowTip', user).length === 1);
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));

    await context.setOffline(true);
    await seen('note').waitFor();
    await page.reload();
    await seen('tip').waitFor();
    expect(await seen('tip-title').textContent()).toBe('Call the dentist about Thursday');
    await seen('note').waitFor();
    await picture('phone-8-offline');
    const answeredAt = Date.now();
    await seen('answer-done').click();
    await seen('tip').waitFor({ state: 'detached' });
    await page.getByText('Your answer is kept').waitFor();
    await picture('phone-9-offline-answered');
    await page.reload();
    await seen('no-tip').waitFor();
    expect(ofUser('AnswerTip', user)).toEqual([]);

    await page.waitForTimeout(2_000);
    const backAt = Date.now();
    await context.setOffline(false);
    await eventually('the answer arrives', () => ofUser('AnswerTip', user).length > 0);
    await seen('note').waitFor({ state: 'detached' });
    await page.reload();
    await seen('no-tip').waitFor();
    // The reload may have come between the sending and its answer; then it was sent again, as the same command.
    const answers = ofUser('AnswerTip', user).map(contextOf);
    expect(new Set(answers.map(({ commandId }) => commandId))).toHaveProperty('size', 1);
    expect((await gateway.world.types(user, 'tips')).filter((type) => type === 'TipCompleted')).toHaveLength(
      1,
    );
    for (const { occurredAt } of answers) {
      expect(Date.parse(occurredAt)).toBeGreaterThanOrEqual(answeredAt);
      expect(Date.parse(occurredAt)).toBeLessThan(backAt);
    }
  }, 60_000);

  it('follows again when the gateway was away, and shows what came in the meantime', async () => {
    await open();
    const user = await begin();
    await gateway.stop();
    await seen('note').waitFor();
    await gateway.world.propose(user, 'demo:task:2');
    await gateway.start();
    await seen('tip').waitFor({ timeout: 20_000 });
    expect(await seen('tip-title').textContent()).toBe('Water the plants');
    await seen('note').waitFor({ state: 'detached' });
  }, 60_000);
});

describe('the page', () => {
  it('is used by keyboard alone', async () => {
    await open();
    const user = await begin();
    await gateway.world.propose(user, 'demo:task:1');
    await seen('tip').waitFor();
    await page.keyboard.press('?');
    await seen('why-panel').waitFor();
    await page.keyboard.press('d');
    await page.keyboard.press('Escape');
    await seen('why-panel').waitFor({ state: 'detached' });
    await seen('tip').waitFor();
    await page.keyboard.press('n');
    await seen('tip').waitFor({ state: 'detached' });
    await eventually('the answer arrives', () => ofUser('AnswerTip', user).length === 1);
    expect(ofUser('AnswerTip', user)[0]?.body).toMatchObject({ answer: 'ANSWER_NO' });
    expect(ofUser('ShowTip', user)).toHaveLength(1);
  }, 60_000);

  it('shows a tip whose words cannot be reached, and the words as soon as they can', async () => {
    await open();
    const user = await begin();
    const { texts } = gateway.world;
    gateway.world.texts = undefined;
    await gateway.world.propose(user, 'demo:task:2');
    await page.getByText('cannot be reached').waitFor();
    await picture('desktop-8-unreachable');
    gateway.world.texts = texts;
    await page.getByText('Water the plants').waitFor({ timeout: 15_000 });
  }, 60_000);

  it('lets a tip go that was answered elsewhere', async () => {
    await open();
    const user = await begin();
    const tipId = await gateway.world.propose(user, 'oo:advice:stretch');
    await seen('tip').waitFor();
    expect(await seen('tip-title').textContent()).toBe('Stand up and stretch');
    await picture('desktop-9-advice');
    await gateway.world.record(user, [{ type: 'TipCompleted', data: { tipId } }]);
    await seen('no-tip').waitFor();
  }, 60_000);

  it('tells of an answer that was not taken, with the reason, until that is put away', async () => {
    await open();
    const user = await begin();
    await gateway.world.propose(user, 'demo:task:2');
    await seen('tip').waitFor();
    gateway.world.refusal = problem('already-answered', 'It was answered on another device.');
    await seen('answer-done').click();
    await eventually('the answer is tried', () => ofUser('AnswerTip', user).length === 1);
    await seen('refusal').waitFor();
    gateway.world.refusal = undefined;
    await page.reload();
    await seen('tip').waitFor();
    expect(await seen('refusal').textContent()).toBe(
      'Your answer “Done” was not taken. It was answered on another device.',
    );
    await eventually('the page has spoken', () => ofUser('RecordSignal', user).length >= 2);
    expect(ofUser('AnswerTip', user)).toHaveLength(1);
    await seen('refusal-read').click();
    await seen('refusal').waitFor({ state: 'detached' });
    await eventually('it is put away', async () => (await kept('letters')).length === 0);
  }, 60_000);

  it('tells that an answer has waited too long, and of it no more once another is given', async () => {
    await open();
    const user = await begin();
    await gateway.world.propose(user, 'demo:task:1');
    await seen('tip').waitFor();
    await eventually('the showing is told', () => ofUser('ShowTip', user).length === 1);
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
    await context.setOffline(true);
    await seen('note').waitFor();
    await seen('answer-done').click();
    await page.getByText('kept here for up to seven days').waitFor();
    await page.evaluate(async () => {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open('oo');
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      await new Promise<void>((resolve) => {
        const transaction = database.transaction('letters', 'readwrite');
        transaction.oncomplete = () => resolve();
        const request = transaction.objectStore('letters').openCursor();
        request.onsuccess = () => {
          const { result: cursor } = request;
          if (cursor === null) return;
          cursor.update({ ...cursor.value, at: cursor.value.at - 8 * 86_400_000 });
          cursor.continue();
        };
      });
      database.close();
    });
    await page.reload();
    await seen('refusal').waitFor();
    expect(await seen('refusal').textContent()).toMatch(/“Done” was not taken\..*seven days/);
    await context.setOffline(false);
    await seen('tip').waitFor();
    expect(ofUser('AnswerTip', user)).toEqual([]);
    await seen('refusal').waitFor();
    await seen('answer-later').click();
    await seen('refusal').waitFor({ state: 'detached' });
    await eventually('the answer arrives', () => ofUser('AnswerTip', user).length === 1);
    await eventually('nothing is left', async () => (await kept('letters')).length === 0);
  }, 60_000);

  it('tells a gateway that fails from a network that is away, and from calm', async () => {
    await open();
    const user = await begin();
    await breakGateway();
    await page.reload();
    await seen('trouble').waitFor({ timeout: 20_000 });
    expect(await seen('trouble').getByRole('heading').textContent()).toBe('oO has a problem.');
    expect(await seen('no-tip').count()).toBe(0);
    await gateway.world.propose(user, 'demo:task:2');
    await mendGateway();
    await page.getByRole('button', { name: 'Try again' }).click();
    await seen('tip').waitFor();
    expect(await seen('note').count()).toBe(0);

    // A tip that is known goes on being shown, and is answered.
    await breakGateway();
    await page.reload();
    await page.getByText('oO has a problem and is tried again.').waitFor();
    await seen('answer-done').click();
    await page.getByText('sent when it is over').waitFor();
    await mendGateway();
    await eventually('the answer arrives', () => ofUser('AnswerTip', user).length === 1);
    await seen('note').waitFor({ state: 'detached' });
    await seen('no-tip').waitFor();
  }, 60_000);

  it('says that its stream alone is broken', async () => {
    await open();
    await begin();
    await context.route('**/trpc/currentTip**', (route) => route.fulfill({ status: 500, body: '' }));
    await page.reload();
    await page.getByText('oO has a problem and is tried again.').waitFor({ timeout: 20_000 });
    await context.unroute('**/trpc/currentTip**');
    await seen('note').waitFor({ state: 'detached', timeout: 20_000 });
  }, 60_000);

  it('keeps the focus where reading goes on', async () => {
    await open();
    const user = await begin();
    const focused = () => page.evaluate(() => document.activeElement?.textContent);
    expect(await focused()).toBe('All quiet.');
    const [first, second] = ['demo:task:1', 'demo:task:2'];
    const tipId = await gateway.world.propose(user, first);
    await seen('tip').waitFor();
    expect(await focused()).toBe('Call the dentist about Thursday');

    // From one tip to the next, from the inside of the first.
    await seen('answer-no').focus();
    await gateway.world.record(user, [
      { type: 'TipDismissed', data: { tipId } },
      {
        type: 'TipProposed',
        data: { decision: decisionRecord({ decisionId: crypto.randomUUID(), choice: second }) },
      },
    ]);
    await page.getByText('Water the plants').waitFor();
    expect(await focused()).toBe('Water the plants');

    await seen('why').click();
    await seen('why-panel').waitFor();
    await page.keyboard.press('Escape');
    await seen('why-panel').waitFor({ state: 'detached' });
    expect(await focused()).toBe('Why this?');
    await seen('answer-done').click();
    await seen('no-tip').waitFor();
    expect(await focused()).toBe('All quiet.');

    // Who is nowhere in the page is not drawn into it.
    await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
    await gateway.world.propose(user, first);
    await seen('tip').waitFor();
    expect(await page.evaluate(() => document.activeElement === document.body)).toBe(true);
  }, 60_000);

  it('can be used by everybody, in each of its states and at each size', async () => {
    // What moves is half seen, and would be measured so.
    await open({ ...DESKTOP, reducedMotion: 'reduce' });
    await page.goto(gateway.url);
    await seen('sign-in').waitFor();
    await accessible('signed-out');
    await seen('sign-in').click();
    await page.getByRole('button', { name: 'Continue as Demo' }).waitFor();
    await accessible('identity');
    await page.getByLabel('Or as somebody else').fill(`Ada ${++newcomers}`);
    await page.getByRole('button', { name: 'Go' }).click();
    await seen('begin').waitFor();
    await accessible('begin');
    await seen('begin').click();
    await seen('no-tip').waitFor();
    await accessible('quiet');

    const user = newest();
    gateway.world.texts?.set('demo:task:3', {
      title: LONG_TITLE,
      body: 'They answer letters only. The pictures are on the old phone.',
      url: 'https://example.org/',
    });
    const longTip = await gateway.world.propose(user, 'demo:task:3');
    await seen('tip').waitFor();
    await accessible('long');
    await gateway.world.record(user, [{ type: 'TipCompleted', data: { tipId: longTip } }]);
    gateway.world.texts?.set('demo:task:4', { title: 'להתקשר לרופא השיניים', body: 'הם פותחים בשמונה.' });
    const hebrew = await gateway.world.propose(user, 'demo:task:4');
    await page.getByText('להתקשר').waitFor();
    await accessible('right-to-left');
    await gateway.world.record(user, [{ type: 'TipCompleted', data: { tipId: hebrew } }]);
    await seen('no-tip').waitFor();

    await gateway.world.propose(user, 'demo:task:1', {
      momentReasons: [
        { code: 'moment.free.for', contribution: 0.8 },
        { code: 'moment.good_lately.for', contribution: 0.3 },
      ],
      tipReasons: [
        { code: 'tip.due.for', contribution: 1.2 },
        { code: 'tip.effort.against', contribution: -0.4 },
      ],
    });
    await seen('tip').waitFor();
    await accessible('tip');
    await seen('why').click();
    await page.getByText('Why this', { exact: true }).waitFor();
    expect(await page.getByText('Against it:').isVisible()).toBe(true);
    await accessible('why');
    await page.keyboard.press('Escape');

    await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
    await context.setOffline(true);
    await seen('note').waitFor();
    await accessible('offline');
    await seen('answer-done').click();
    await page.getByText('kept here').waitFor();
    await accessible('offline-answered');
    gateway.world.refusal = problem(
      'unknown-tip',
      'No tip of the last seven days has this id. Load the page again.',
    );
    await context.setOffline(false);
    await seen('refusal').waitFor({ timeout: 20_000 });
    await seen('note').waitFor({ state: 'detached' });
    await accessible('refused');
    gateway.world.refusal = undefined;
    await seen('refusal-read').click();

    // The tip that was refused is still there; it goes, so that nothing stands between the page and its trouble.
    await breakGateway();
    await page.evaluate(() => indexedDB.deleteDatabase('oo'));
    await page.reload();
    await page.getByRole('heading', { name: 'oO has a problem.' }).waitFor();
    await accessible('trouble');
  }, 240_000);

  it('holds no connection while nobody can see it, and is up to date when it is seen again', async () => {
    await open();
    const user = await begin();
    const told = (kind: string) =>
      ofUser('RecordSignal', user).filter(({ body }) => JSON.stringify(body).includes(kind)).length;
    await eventually('the opening is told', () => told('PAGE_OPENED') === 1);
    await page.evaluate(() => {
      Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await eventually('the closing is told', () => told('PAGE_CLOSED') === 1);
    await gateway.world.propose(user, 'demo:task:2');
    await page.waitForTimeout(1_000);
    expect(await seen('tip').count()).toBe(0);
    await page.evaluate(() => {
      Object.defineProperty(document, 'visibilityState', { value: 'visible', configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await seen('tip').waitFor();
    await eventually('the second opening is told', () => told('PAGE_OPENED') === 2);
  }, 60_000);

  it('forgets on this device who has signed out', async () => {
    await open();
    const user = await begin();
    await gateway.world.propose(user, 'demo:task:1');
    await seen('tip').waitFor();
    await eventually('the showing is told', () => ofUser('ShowTip', user).length === 1);
    await seen('sign-out').click();
    await seen('sign-in').waitFor();
    await eventually('the closing is told', () =>
      ofUser('RecordSignal', user).some(({ body }) =>
        JSON.stringify(body).includes('CONTEXT_KIND_PAGE_CLOSED'),
      ),
    );
    await page.reload();
    await seen('sign-in').waitFor();
    const stored = [...(await kept('person')), ...(await kept('letters'))];
    expect(stored).toEqual([]);
    expect((await context.cookies()).map(({ name }) => name)).not.toContain('oo.session_token');
  }, 60_000);

  it('can be installed, and its policy allows nothing but itself', async () => {
    await open();
    const answer = await page.goto(gateway.url);
    const headers = answer?.headers() ?? {};
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers['x-content-type-options']).toBe('nosniff');
    const manifest = await (await fetch(`${gateway.url}/manifest.webmanifest`)).json();
    expect(manifest).toMatchObject({ name: 'oO', display: 'standalone', start_url: '/' });
    for (const { src, type } of manifest.icons) {
      const icon = await fetch(gateway.url + src);
      expect([icon.status, icon.headers.get('content-type')]).toEqual([200, type]);
    }
    await seen('sign-in').waitFor();
    expect(faults).toEqual([]);
  }, 60_000);
});
