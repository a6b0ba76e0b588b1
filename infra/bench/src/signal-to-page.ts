import { Producer, type RunningOo } from '@oo/cli/testing';
import { type Measurement, measurement, percentile } from './measurement.js';
import type { Hops } from './raw-hops.js';

const PEOPLE = 110;
// The raw hops are measured in loops of hundreds, too: code that has run ten times is interpreted still.
const WARM_UP = 50;
const WARM_UP_SIGNALS = 500;
// Below the 5 s after which a waiting page is decided on anew: that would time the policy, not the way.
const TIMEOUT_MS = 4_500;

/**
 * The hops between a posted signal and the tip on the page, each as often as the way goes over it: HTTP in; the
 * command to its handler, which reads the stream of somebody whom it does not know; the event from the store to the
 * relay and over JetStream to the recommender; its question for candidates; the proposal over JetStream to a handler,
 * which reads the person's profile; the tip from the store over JetStream to the projections; their commit; the hint to
 * the gateway, which reads the row, asks for the text, and writes the server-sent event.
 */
const sumOf = (hops: Hops): number =>
  hops.http +
  3.5 * hops.nats +
  2 * hops.read +
  2 * hops.store +
  3 * hops.jetstream +
  hops.commit +
  hops.query +
  hops.sse;

/** From posting a signal to the arrival of its tip as a server-sent event, one person after the other. */
export async function signalToPage(oo: RunningOo, hopsAt: (p: number) => Hops): Promise<Measurement[]> {
  const samples: number[] = [];
  await warmUp(oo);
  for (let index = 0; index < PEOPLE; index++) {
    const { token } = await oo.json<{ token: string }>('person', `page-${index}`);
    const took = await once(oo, token);
    // The policy may wait, with a small probability; then there is no tip to be timed.
    if (took !== undefined && index >= WARM_UP) samples.push(took);
  }
  return [0.5, 0.99].map((p) =>
    measurement(
      `signal-to-page-p${p * 100}`,
      percentile(samples, p),
      'ms',
      sumOf(hopsAt(p)),
      `sum of the raw hops at the same percentile, ${samples.length} samples`,
    ),
  );
}

/** Signals that no tip follows: every part handles them. */
async function warmUp(oo: RunningOo): Promise<void> {
  const { token } = await oo.json<{ token: string }>('person', 'warm-up');
  const producer = new Producer(oo, token);
  for (let index = 0; index < WARM_UP_SIGNALS; index++) {
    await producer.signal('MoodReported', { valence: (index % 5) - 2, energy: 0 });
  }
  await oo.quiet();
}

async function once(oo: RunningOo, token: string): Promise<number | undefined> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  try {
    const page = await open(oo, token, stop.signal);
    await page.next((data) => data.includes('"tip":null'));
    const began = performance.now();
    await new Producer(oo, token).signal('ContextObserved', {
      kind: 'CONTEXT_KIND_PAGE_OPENED',
      device: 'DEVICE_DESKTOP',
    });
    await page.next((data) => data.includes('"tipId"'));
    return performance.now() - began;
  } catch (error) {
    if (stop.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

interface Page {
  /** Waits for the next data that fits. */
  next(fits: (data: string) => boolean): Promise<void>;
}

async function open(oo: RunningOo, token: string, signal: AbortSignal): Promise<Page> {
  const input = encodeURIComponent(JSON.stringify({}));
  const response = await fetch(`${oo.url}/trpc/currentTip?input=${input}`, {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
    signal,
  });
  if (!response.ok || response.body === null)
    throw new Error(`the page's stream is refused: ${await response.text()}`);
  const chunks = response.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  let text = '';
  return {
    next: async (fits) => {
      for (;;) {
        const end = text.indexOf('\n\n');
        if (end < 0) {
          const { value, done } = await chunks.next();
          if (done === true) throw new Error('the page’s stream ended');
          text += value;
          continue;
        }
        const event = text.slice(0, end);
        text = text.slice(end + 2);
        if (fits(event)) return;
      }
    },
  };
}
