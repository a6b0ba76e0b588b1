// Posts what happened to oO and prints the tip that follows (OO_URL, OO_TOKEN).
const { OO_URL: url = 'http://localhost:4646', OO_TOKEN: token = '' } = process.env;

async function call(path: string, body?: unknown) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const init = body ? { headers, method: 'POST', body: JSON.stringify(body) } : { headers };
  const answer = await fetch(url + path, init).catch(() => end(`oO is not there: ${url}`));
  return answer.ok ? answer.json() : end(`oO refused: ${answer.status} ${await answer.text()}`);
}
function end(text: string, code = 1): never {
  (code === 0 ? console.log : console.error)(text);
  process.exit(code);
}

const [now, key] = [new Date().toISOString(), crypto.randomUUID()];
const signal = { type: 'ContextObserved', idempotencyKey: key, occurredAt: now };
await call('/v1/signals', { ...signal, data: { kind: 'CONTEXT_KIND_PAGE_OPENED' } });
for (let tries = 0; tries < 100; tries++, await new Promise((go) => setTimeout(go, 500))) {
  const { tip } = await call('/v1/tip');
  if (tip?.proposedAt >= now) end(tip.title, 0);
}
end('No new tip. Silence is a decision too: `npx oo timeline USER` shows it.');
