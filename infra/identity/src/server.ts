import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { Health, type Log } from '@oo/service-host';
import { errors, type Provider } from 'oidc-provider';
import { z } from 'zod';
import { type Account, type Accounts, accountName, MAX_ACCOUNTS } from './accounts.js';
import type { Keys } from './keys.js';
import { openProvider, type ProviderSettings } from './provider.js';
import { errorPage, FONTS, ICON_PATH, ICON_SVG, signInPage, signInPolicy } from './sign-in-page.js';

const MAX_FORM_BYTES = 4096;

const require = createRequire(import.meta.url);
const { version } = z.object({ version: z.string() }).parse(require('../package.json'));
/** It depends on nothing, so where it runs it is ready. */
const health = new Health('identity', version);

/** The provider's HTTP server: the issuer's own paths, the sign-in page and the health. */
export function identityServer(settings: ProviderSettings, keys: Keys, accounts: Accounts, log: Log): Server {
  const provider = openProvider(settings, keys, accounts);
  const answer = provider.callback();
  const origin = new URL(settings.publicUrl).origin;
  return createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', settings.issuer);
    const font = FONTS[pathname];
    if (pathname === '/health/live' || pathname === '/health/ready') {
      sendJson(response, health.live());
    } else if (font !== undefined) {
      sendFont(response, font);
    } else if (pathname === ICON_PATH) {
      response.writeHead(200, { 'content-type': 'image/svg+xml', 'cache-control': 'public, max-age=86400' });
      response.end(ICON_SVG);
    } else if (pathname.startsWith('/interaction/')) {
      interaction(provider, accounts, origin, request, response).catch((error: unknown) => {
        const known = error instanceof errors.OIDCProviderError;
        if (!known) log.error({ err: error }, 'a sign-in failed');
        const detail = known
          ? 'This sign-in was begun too long ago. Go back and begin again.'
          : 'The sign-in failed here. Go back and try again; the reason is in the log of the identity service.';
        sendPage(response, known ? 400 : 500, errorPage(detail, origin), origin);
      });
    } else {
      answer(request, response);
    }
  });
}

/** GET shows the sign-in page, POST takes its answer and sends the browser on. */
async function interaction(
  provider: Provider,
  accounts: Accounts,
  origin: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // Throws SessionNotFound unless the browser has the cookie of this very interaction.
  await provider.interactionDetails(request, response);
  if (request.method === 'GET') {
    sendPage(response, 200, signInPage(accounts.all()), origin);
    return;
  }
  if (request.method !== 'POST') {
    response.setHeader('allow', 'GET, POST');
    sendPage(response, 405, errorPage('Only GET and POST are known here.', origin), origin);
    return;
  }
  const chosen = await chosenAccount(await readForm(request), accounts);
  if (typeof chosen === 'string') {
    sendPage(response, 422, signInPage(accounts.all(), chosen), origin);
    return;
  }
  await provider.interactionFinished(
    request,
    response,
    { login: { accountId: chosen.subject, remember: false } },
    { mergeWithLastSubmission: false },
  );
}

/** The account that was asked for, or why there is none. */
async function chosenAccount(form: URLSearchParams, accounts: Accounts): Promise<Account | string> {
  const subject = form.get('subject');
  if (subject !== null) return accounts.bySubject(subject) ?? 'That account is gone. Choose another.';
  const name = accountName.safeParse(form.get('name') ?? '');
  if (!name.success) return name.error.issues[0]?.message ?? 'That is not a name.';
  return (
    (await accounts.ensure(name.data)) ??
    `There are ${MAX_ACCOUNTS} accounts here already. Choose one of them.`
  );
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_FORM_BYTES) throw new errors.InvalidRequest('the form is too large');
    parts.push(part);
  }
  return new URLSearchParams(Buffer.concat(parts).toString('utf8'));
}

function sendPage(response: ServerResponse, status: number, html: string, origin: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': signInPolicy([origin]),
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  });
  response.end(html);
}

function sendFont(response: ServerResponse, file: string): void {
  response.writeHead(200, { 'content-type': 'font/woff2', 'cache-control': 'public, max-age=86400' });
  response.end(readFileSync(require.resolve(file)));
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
