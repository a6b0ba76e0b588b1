import { type FetchText, ProblemError, problem, type TipText } from '@oo/contracts';
import { refParts } from './connectors/manifest.js';
import type { Registry } from './connectors/registry.js';
import type { Notice } from './list-candidates.js';
import { askProvider } from './providers/ask-provider.js';

const LIMITS = { title: 500, body: 4000, url: 2000 } as const;

/**
 * The text behind a reference, from the provider that its first part names. It is passed on and kept nowhere.
 * A text that is gone at its source has an empty title.
 */
export async function fetchText(registry: Registry, query: FetchText, notice: Notice): Promise<TipText> {
  const parts = refParts(query.ref);
  const active = parts === undefined ? undefined : registry.get(parts.provider);
  if (parts === undefined || active === undefined) {
    const known = registry.all().map(({ connector }) => connector.manifest.name);
    throw new ProblemError(
      problem(
        'not-found',
        `No provider that is on has ${query.ref}. Providers that are on: ${known.join(', ') || 'none'}.`,
      ),
    );
  }
  const { manifest, mapper } = active.connector;
  const gone: TipText = { ref: query.ref, title: '', body: '', url: '' };
  if (!Object.hasOwn(manifest.kinds, parts.kind)) return gone;
  const answer = await askProvider(
    active.address,
    manifest.item,
    { user: query.userId, id: parts.id },
    manifest.timeoutMs,
  );
  if (answer.kind === 'gone') return gone;
  const text = answer.kind === 'found' ? mapper.text(answer.json) : undefined;
  if (text === undefined) {
    notice({
      provider: manifest.name,
      reason: answer.kind === 'unreachable' ? answer.reason : 'not-its-item',
    });
    throw new ProblemError(
      problem('unavailable', `${manifest.title} does not give the text now. Ask again in a moment.`),
    );
  }
  return {
    ref: query.ref,
    title: cut(text.title, LIMITS.title),
    body: cut(text.body, LIMITS.body),
    // Half an address leads somewhere else.
    url: /^https?:\/\//.test(text.url) && text.url.length <= LIMITS.url ? text.url : '',
  };
}

/** Cuts to `limit` UTF-16 units, never through a character. */
function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const end = /[\uD800-\uDBFF]/.test(text.charAt(limit - 2)) ? limit - 2 : limit - 1;
  return `${text.slice(0, end)}…`;
}
