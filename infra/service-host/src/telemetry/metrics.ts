import type { IncomingMessage, ServerResponse } from 'node:http';
import { FIGURES, type FigureName, figures } from '@oo/event-sourcing';
import type { MetricReader } from '@opentelemetry/sdk-metrics';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Answers a scrape of Prometheus with this process's figures. OpenTelemetry is loaded here, at the first scrape, and
 * costs a start nothing.
 */
export async function prometheusHandler(service: string, failed: (error: unknown) => void): Promise<Handler> {
  const { PrometheusExporter } = await import('@opentelemetry/exporter-prometheus');
  const exporter = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });
  await readBy(exporter, service, failed);
  return (request, response) => exporter.getMetricsRequestHandler(request, response);
}

/** Gives the figures to a reader of OpenTelemetry. @returns ends that */
export async function readBy(
  reader: MetricReader,
  service: string,
  failed: (error: unknown) => void,
): Promise<() => Promise<void>> {
  const [{ MeterProvider }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-metrics'),
    import('@opentelemetry/resources'),
  ]);
  const resource = resourceFromAttributes({ 'service.name': service });
  const provider = new MeterProvider({ readers: [reader], resource });
  const meter = provider.getMeter('oo');
  const instruments = new Map(
    (Object.keys(FIGURES) as FigureName[]).map((name) => {
      const { kind, description } = FIGURES[name];
      const made =
        kind === 'counter'
          ? meter.createObservableCounter(name, { description })
          : meter.createObservableGauge(name, { description });
      return [name, made] as const;
    }),
  );
  meter.addBatchObservableCallback(
    async (result) => {
      for (const { name, labels, value } of await figures.read(failed)) {
        const instrument = instruments.get(name);
        if (instrument !== undefined) result.observe(instrument, value, labels);
      }
    },
    [...instruments.values()],
  );
  return () => provider.shutdown();
}
