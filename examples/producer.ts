// Posts what happened to oO and prints the tip that follows (OO_URL, OO_TOKEN).
import { setTimeout } from 'node:timers/promises';

const { OO_URL: url = 'http://localhost:4646', OO_TOKEN: token = '' } = process.env;

async function call(path: string, body?: unknown) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const init = body === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(body) };
  const answer = await fetch(url + path, init).catch(() => stop(`oO is not there: ${url}`));
  return answer.ok ? answer.json() : stop(`oO refused: ${answer.status} ${await answer.text()}`);
}
function stop(reason: string): never {
  console.error(reason);
  process.exit(1);
}

const [now, key] = [new Date(), crypto.randomUUID()];
const task = { ref: `example:task:${key}` };
const page = { kind: 'CONTEXT_KIND_PAGE_OPENED' };
for (const [type, data] of Object.entries({ TaskObserved: task, ContextObserved: page }))
  await call('/v1/signals', { type, idempotencyKey: `${type}-${key}`, occurredAt: now, data });
let tip: { title: string } | null = null;
for (let tries = 0; tip === null && tries < 100; tries++, await setTimeout(500))
  tip = (await call('/v1/tip')).tip;
if (tip === null) stop('No tip so far. Silence is a decision too: `npx oo timeline USER` shows it.');
console.log(tip.title);
