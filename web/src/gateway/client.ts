import type { PageRouter } from '@oo/gateway';
import { createTRPCClient, httpLink, httpSubscriptionLink, splitLink } from '@trpc/client';

/** What the page asks of the gateway, typed by the gateway's own router. */
export const gateway = createTRPCClient<PageRouter>({
  links: [
    splitLink({
      condition: ({ type }) => type === 'subscription',
      true: httpSubscriptionLink({ url: '/trpc' }),
      false: httpLink({
        url: '/trpc',
        // What is on its way when the page is closed still arrives.
        fetch: (url, { signal, ...options } = {}) =>
          fetch(url, { ...options, signal: signal ?? null, keepalive: options.method === 'POST' }),
      }),
    }),
  ],
});
export type Gateway = typeof gateway;
