/** What came of asking a provider. */
export type ProviderAnswer =
  | { readonly kind: 'found'; readonly json: unknown }
  | { readonly kind: 'gone' }
  /** `reason` is a code for the log; it never holds anything that the provider said. */
  | { readonly kind: 'unreachable'; readonly reason: string };

/** An answer longer than this is not read to its end. */
const MAX_BYTES = 1024 * 1024;

/**
 * GETs `address + path` with `{user}` and `{id}` filled in.
 * The time covers the whole answer, so that a provider that trickles is as unreachable as one that is silent.
 */
export async function askProvider(
  address: string,
  path: string,
  parameters: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<ProviderAnswer> {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ''));
  try {
    const response = await fetch(address + filled, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.status === 404 || response.status === 410) {
      await response.body?.cancel();
      return { kind: 'gone' };
    }
    if (!response.ok) {
      await response.body?.cancel();
      return { kind: 'unreachable', reason: `status-${response.status}` };
    }
    const text = await readAtMost(response, MAX_BYTES);
    if (text === undefined) return { kind: 'unreachable', reason: 'too-large' };
    return { kind: 'found', json: JSON.parse(text) };
  } catch (error) {
    return { kind: 'unreachable', reason: reasonOf(error) };
  }
}

async function readAtMost(response: Response, limit: number): Promise<string | undefined> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > limit) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

// The message of a parse error quotes what it read, which may be a person's text: only codes get out.
function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return 'not-json';
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'timeout';
  return 'no-connection';
}
