import { traceWith } from '@oo/event-sourcing';
import { readBy } from './metrics.js';

const EVERY_MS = 10_000;

/**
 * Turns traces on, and sends them and the figures to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names, which
 * OpenTelemetry's exporters read themselves, with the other variables of that family. Called where it is set and
 * nowhere else, so that nobody pays for it who does not want it.
 * @returns sends what is left, and ends it
 */
export async function exportTelemetry(
  service: string,
  failed: (error: unknown) => void,
): Promise<() => Promise<void>> {
  const [
    api,
    { otelTracing },
    { W3CTraceContextPropagator },
    { AsyncLocalStorageContextManager },
    sdk,
    { resourceFromAttributes },
  ] = await Promise.all([
    import('@opentelemetry/api'),
    import('./otel-tracing.js'),
    import('@opentelemetry/core'),
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/resources'),
  ]);
  const [{ OTLPTraceExporter }, { OTLPMetricExporter }, { PeriodicExportingMetricReader }] =
    await Promise.all([
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/exporter-metrics-otlp-http'),
      import('@opentelemetry/sdk-metrics'),
    ]);
  const traces = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis: 500 }),
    ],
  });
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  api.propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  api.trace.setGlobalTracerProvider(traces);
  traceWith(otelTracing());
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(),
    exportIntervalMillis: EVERY_MS,
  });
  const endMetrics = await readBy(reader, service, failed);
  return async () => {
    traceWith(undefined);
    // A collector that is away must not keep a process from ending.
    await Promise.allSettled([traces.shutdown(), endMetrics()]);
    api.trace.disable();
    api.context.disable();
    api.propagation.disable();
  };
}
