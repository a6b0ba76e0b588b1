import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyStaticOptions } from '@fastify/static';
import { pathOf } from './problem-of.js';

/** Where the built page is. Sources and build lie equally deep, and so does the image's layout. */
const WEB = fileURLToPath(new URL('../../../../web/dist/', import.meta.url));

/** What is not the page's. */
const PREFIXES = ['/v1', '/trpc', '/api', '/health'];

/** Serves the built page. @throws Error when it has not been built */
export function pageFiles(folder = WEB): FastifyStaticOptions {
  const root = resolve(folder);
  if (!existsSync(join(root, 'index.html'))) {
    throw new Error(`the page is not built: there is no ${join(root, 'index.html')}; run npm run build`);
  }
  return {
    root,
    cacheControl: false,
    preCompressed: true,
    setHeaders: (reply, path) => {
      reply.header('cache-control', cachingOf(path.slice(root.length)));
    },
  };
}

/**
 * What may be kept, and how long. Files under `assets/` carry a digest of their content in their names; all others
 * (the page itself, its service worker) are asked for again, which costs nothing where they are unchanged.
 */
export function cachingOf(path: string): string {
  return /^\/?assets\//.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache';
}

/** Rewrites a browser's visit to any address of the page to the page itself; everything else stays as it is. */
export function pagePath(method: string, url: string, accept: string | undefined): string {
  const path = pathOf(url);
  const isVisit = (method === 'GET' || method === 'HEAD') && (accept ?? '').includes('text/html');
  const isOther = PREFIXES.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
  const isFile = /\.[^/]*$/.test(path);
  return isVisit && !isOther && !isFile ? '/index.html' : url;
}
