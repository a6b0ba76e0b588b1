import { createHash } from 'node:crypto';
import type { Account } from './accounts.js';

/** The page's own faces, so that it looks like oO. */
export const FONTS: Readonly<Record<string, string>> = {
  '/fonts/serif.woff2': '@fontsource-variable/newsreader/files/newsreader-latin-opsz-normal.woff2',
  '/fonts/sans.woff2': '@fontsource-variable/figtree/files/figtree-latin-wght-normal.woff2',
};

const STYLE = `
@font-face { font-family: Newsreader; src: url(/fonts/serif.woff2); font-weight: 200 800; }
@font-face { font-family: Figtree; src: url(/fonts/sans.woff2); font-weight: 300 900; }
:root { color-scheme: dark; --ink: #f2efe9; --soft: #a6a29a; --line: #35322e; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100dvh; display: grid; place-items: center; background: #000; color: var(--ink);
  font: 400 1rem/1.5 Figtree, ui-sans-serif, system-ui, sans-serif; padding: 2rem; }
main { width: min(22rem, 100%); display: grid; gap: 2.5rem; }
svg { width: 2.75rem; display: block; }
h1 { margin: 0; font: 300 2.25rem/1.1 Newsreader, Palatino, Georgia, serif;
  letter-spacing: -0.018em; }
p { margin: 0.6rem 0 0; color: var(--soft); font-size: 0.9rem; }
form { display: grid; gap: 0.75rem; }
button { font: inherit; border-radius: 999px; padding: 0.85rem 1.5rem; border: 1px solid var(--line);
  background: transparent; color: var(--ink); cursor: pointer; text-align: center; }
button:hover { border-color: var(--soft); }
button.first { background: var(--ink); border-color: var(--ink); color: #000; font-weight: 500; }
button.first:hover { background: #fff; }
:focus-visible { outline: 2px solid var(--ink); outline-offset: 3px; }
.else { display: grid; gap: 0.75rem; }
label { color: var(--soft); font-size: 0.9rem; }
.field { display: flex; gap: 0.5rem; }
.field button { flex: none; padding-inline: 1.1rem; }
input { font: inherit; min-width: 0; flex: 1; padding: 0.8rem 1.1rem; border-radius: 999px;
  border: 1px solid #77726a; background: transparent; color: var(--ink); }
::placeholder { color: var(--soft); opacity: 1; }
.wrong { color: #f0a58f; }
`;

/** What the page's Content-Security-Policy allows: this style, and forms that end at `origins`. */
export function signInPolicy(origins: readonly string[]): string {
  const hash = createHash('sha256').update(STYLE).digest('base64');
  return [
    "default-src 'none'",
    "font-src 'self'",
    "img-src 'self'",
    `style-src 'sha256-${hash}'`,
    // Chromium checks the redirects that follow a form against form-action too.
    `form-action 'self' ${origins.join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
}

const RINGS = '<circle cx="13" cy="32" r="11.2"/><circle cx="50" cy="23" r="21.2"/>';
const MARK = `<svg viewBox="0 0 74 46" fill="none" stroke="currentColor" stroke-width="2.4" aria-hidden="true">
${RINGS}</svg>`;

/** The mark for a tab, on a ground of its own. Also at the place where browsers look without having been told. */
export const ICON_PATH = '/favicon.ico';
export const ICON_SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-9 -23 92 92"><rect x="-9" y="-23" width="92"
 height="92"/><g fill="none" stroke="#f2efe9" stroke-width="3.6">${RINGS}</g></svg>
`;

function page(body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="theme-color" content="#000000"><link rel="icon" href="${ICON_PATH}" type="image/svg+xml"><title>Sign in to oO</title><style>${STYLE}</style></head>
<body><main>${MARK}${body}</main></body></html>
`;
}

/** One button for each account, the first of them large, and a field for a name that is not there yet. */
export function signInPage(accounts: readonly Account[], wrongName?: string): string {
  const buttons = accounts.map(
    ({ subject, name }, index) =>
      `<button name="subject" value="${escaped(subject)}"${index === 0 ? ' class="first"' : ''}>` +
      `Continue as ${escaped(name)}</button>`,
  );
  const wrong =
    wrongName === undefined ? '' : `<p class="wrong" role="alert" id="wrong">${escaped(wrongName)}</p>`;
  return page(`<header><h1>Who is there?</h1><p>These accounts live on this machine.</p></header>
<form method="post">${buttons.join('\n')}</form>
<form method="post" class="else"><label for="name">Or as somebody else</label>
<div class="field"><input id="name" name="name" maxlength="40" required autocomplete="off" placeholder="A name"${
    wrongName === undefined ? '' : ' aria-invalid="true" aria-describedby="wrong"'
  }><button>Go</button></div>${wrong}</form>`);
}

/** Says what went wrong and the way out of it. */
export function errorPage(detail: string, back: string): string {
  return page(`<header><h1>That did not work.</h1><p>${escaped(detail)}</p></header>
<form method="get" action="${escaped(back)}"><button class="first">Back to oO</button></form>`);
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
