import { describe, expect, it } from 'vitest';
import { cachingOf, pagePath } from './page-files.js';

const HTML = 'text/html,application/xhtml+xml,*/*;q=0.8';

describe('a visit', () => {
  it.each([
    ['the page', 'GET', '/', HTML, '/index.html'],
    ['any address of the page', 'GET', '/somewhere/else?x=1', HTML, '/index.html'],
    ['a look at its head', 'HEAD', '/', HTML, '/index.html'],
    ['a file', 'GET', '/icon.svg', HTML, '/icon.svg'],
    ['the API', 'GET', '/v1/tip', HTML, '/v1/tip'],
    ['the API’s root', 'GET', '/v1', HTML, '/v1'],
    ['what only begins alike', 'GET', '/v10', HTML, '/index.html'],
    ['signing in', 'GET', '/api/auth/callback/oidc?code=1', HTML, '/api/auth/callback/oidc?code=1'],
    ['a fetch', 'GET', '/somewhere', 'application/json', '/somewhere'],
    ['a fetch of anything', 'GET', '/somewhere', '*/*', '/somewhere'],
    ['no visit', 'POST', '/somewhere', HTML, '/somewhere'],
  ])('%s', (_name, method, url, accept, path) => {
    expect(pagePath(method, url, accept)).toBe(path);
  });

  it('without a word of what is wanted is none', () => {
    expect(pagePath('GET', '/somewhere', undefined)).toBe('/somewhere');
  });
});

describe('what may be kept', () => {
  it.each([
    ['/assets/index-CaY6QEzp.css', /immutable/],
    ['/index.html', /^no-cache$/],
    ['/service-worker.js', /^no-cache$/],
    ['/manifest.webmanifest', /^no-cache$/],
  ])('%s', (path, caching) => {
    expect(cachingOf(path)).toMatch(caching);
  });
});
