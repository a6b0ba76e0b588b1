import { HEADER_TRACEPARENT } from '@oo/contracts';
import type { RunningSpan, SpanAbout, Tracing } from '@oo/event-sourcing';
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;

/** Makes spans with what is registered with OpenTelemetry: tracer provider, context manager and propagator. */
export function otelTracing(): Tracing {
  const tracer = trace.getTracer('oo');
  return {
    traceparent() {
      const carrier: Record<string, string> = {};
      propagation.inject(context.active(), carrier);
      return carrier[HEADER_TRACEPARENT];
    },
    start(name: string, { kind, attributes = {}, parent, startedAt }: SpanAbout): RunningSpan {
      const from =
        parent === undefined
          ? context.active()
          : propagation.extract(ROOT_CONTEXT, { [HEADER_TRACEPARENT]: parent });
      const options = { kind: KINDS[kind], attributes: { ...attributes } };
      const span = tracer.startSpan(
        name,
        startedAt === undefined ? options : { ...options, startTime: startedAt },
        from,
      );
      return {
        run: (work) => context.with(trace.setSpan(from, span), work),
        end: (error) => {
          if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) });
          span.end();
        },
      };
    },
  };
}
