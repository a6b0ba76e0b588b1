import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Producer, RunningOo } from '@oo/cli/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly service: string;
}

/** A collector that keeps the spans that it is sent, as OTLP over HTTP in JSON. */
class Collector {
  readonly spans: CollectedSpan[] = [];
  /** Names of figures that came. */
  readonly figures = new Set<string>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      if (request.url === '/v1/traces') this.#takeTraces(JSON.parse(body));
      if (request.url === '/v1/metrics') this.#takeFigures(JSON.parse(body));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }

  static async start(): Promise<Collector> {
    const collector = new Collector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  of(traceId: string): CollectedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #takeTraces({ resourceSpans }: Traces): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const name = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
      for (const { spans } of scopeSpans)
        this.spans.push(...spans.map((span) => ({ ...span, service: name })));
    }
  }

  #takeFigures({ resourceMetrics }: Metrics): void {
    for (const { scopeMetrics } of resourceMetrics) {
      for (const { metrics } of scopeMetrics) for (const { name } of metrics) this.figures.add(name);
    }
  }
}

interface Traces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { key: string; value: { stringValue?: string } }[] };
    readonly scopeSpans: readonly { readonly spans: readonly Omit<CollectedSpan, 'service'>[] }[];
  }[];
}
interface Metrics {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly { readonly name: string }[] }[];
  }[];
}

let collector: Collector;
let oo: RunningOo;
const stop = new AbortController();

beforeAll(async () => {
  collector = await Collector.start();
  oo = await RunningOo.start({
    OO_DEMO_WEEKS: '0',
    OO_DEMO_PACE: '0',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  });
}, 300_000);

afterAll(async () => {
  stop.abort();
  await oo?.dispose();
  collector?.close();
});

const LONG = 60_000;

describe('a trace', () => {
  it('follows a signal from HTTP to the page', async () => {
    const { token } = await oo.json<{ token: string }>('person', 'traced');
    const page = await fetch(`${oo.url}/trpc/currentTip?input=${encodeURIComponent('{}')}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
      signal: stop.signal,
    });
    expect(page.ok).toBe(true);
    const traceId = randomBytes(16).toString('hex');
    const mine = randomBytes(8).toString('hex');
    const response = await new Producer(oo, token).send(
      'POST',
      '/v1/signals',
      {
        type: 'ContextObserved',
        data: { kind: 'CONTEXT_KIND_PAGE_OPENED', device: 'DEVICE_DESKTOP' },
        idempotencyKey: 'a-page-is-opened',
        occurredAt: new Date().toISOString(),
      },
      { traceparent: `00-${traceId}-${mine}-01` },
    );
    expect(response.status).toBe(201);
    const steps = [
      ['gateway', 'POST /v1/signals'],
      ['gateway', 'ask oo.cmd.signals.RecordSignal'],
      ['handlers', 'answer oo.cmd.signals.RecordSignal.*'],
      ['relay', 'relay'],
      ['projections', 'project timeline'],
      // What the recommender proposed of it, through to the page.
      ['handlers', 'handle tips'],
      ['projections', 'project current-tip'],
      ['gateway', 'show on the page'],
    ];
    const found = () => collector.of(traceId).map(({ service, name }) => [service, name]);
    await expect.poll(found, { timeout: LONG, interval: 200 }).toEqual(expect.arrayContaining(steps));

    // One tree: every span hangs on another of the trace, the first on the caller's.
    const spans = collector.of(traceId);
    const ids = new Set([mine, ...spans.map(({ spanId }) => spanId)]);
    await expect
      .poll(
        () => {
          const now = collector.of(traceId);
          for (const { spanId } of now) ids.add(spanId);
          return now.filter(({ parentSpanId }) => parentSpanId === undefined || !ids.has(parentSpanId));
        },
        { timeout: LONG },
      )
      .toEqual([]);
    await expect.poll(() => [...collector.figures], { timeout: LONG }).toContain('oo.consumer.lag.events');
  }, 180_000);
});

describe('the figures', () => {
  it('are told to Prometheus by every part, and oo status shows the same', async () => {
    await oo.quiet();
    for (const { name, healthUrl } of oo.run.processes) {
      if (healthUrl === undefined || name === 'identity') continue;
      const response = await fetch(new URL('/metrics', healthUrl));
      expect([name, response.status]).toEqual([name, 200]);
      expect(response.headers.get('content-type')).toContain('text/plain');
    }
    const status = await oo.json<Status>('status');
    expect(status.consumers.map(({ consumer, lag }) => [consumer, lag])).toEqual(
      [
        'relay',
        'proposals',
        'completions',
        'deadlines',
        'current-tip',
        'timeline',
        'decisions',
        'recommender',
      ].map((consumer) => [consumer, 0]),
    );
    expect(status.totals.commands).toBeGreaterThan(0);
    const projections = oo.run.processes.find(({ name }) => name === 'projections')?.healthUrl ?? '';
    const text = await (await fetch(new URL('/metrics', projections))).text();
    const timeline = status.consumers.find(({ consumer }) => consumer === 'timeline');
    expect(text).toContain(`oo_consumer_position{consumer="timeline"} ${timeline?.position}`);

    await oo.json('projections', 'pause', 'timeline');
    const { token } = await oo.json<{ token: string }>('person', 'traced');
    await new Producer(oo, token).signal('MoodReported', { valence: 1, energy: 1 });
    await expect
      .poll(
        async () =>
          (await oo.json<Status>('status')).consumers.find(({ consumer }) => consumer === 'timeline'),
        { timeout: LONG },
      )
      .toMatchObject({ paused: true, lag: expect.any(Number), lagSeconds: expect.any(Number) });
    const behind = (await oo.json<Status>('status')).consumers.find(
      ({ consumer }) => consumer === 'timeline',
    );
    expect(behind?.lag).toBeGreaterThan(0);
    await oo.json('projections', 'resume', 'timeline');
    await oo.quiet();
  }, 180_000);
});

interface Status {
  readonly consumers: readonly {
    readonly consumer: string;
    readonly lag: number | null;
    readonly lagSeconds: number | null;
    readonly position: string | null;
    readonly paused: boolean;
  }[];
  readonly totals: { readonly commands: number };
}
