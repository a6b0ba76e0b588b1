import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { HEADER_TRACEPARENT } from '@oo/contracts';

// W3C trace context, over HTTP, NATS, an event's metadata and JetStream. Until somebody turns it on, which the host
// does where OTEL_EXPORTER_OTLP_ENDPOINT is set, nothing is made, carried, measured or loaded.

export interface SpanAbout {
  readonly kind: 'server' | 'client' | 'producer' | 'consumer' | 'internal';
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  /** Trace context to go on with; that of what runs now where it is not given. */
  readonly parent?: string | undefined;
  /** Milliseconds since 1970, where it is not now. */
  readonly startedAt?: number;
}

/** Something that goes on. */
export interface RunningSpan {
  /** Runs `work` as part of it. */
  run<T>(work: () => T): T;
  end(error?: unknown): void;
}

/** Who makes spans: OpenTelemetry. */
export interface Tracing {
  start(name: string, about: SpanAbout): RunningSpan;
  /** The trace context of what runs now. */
  traceparent(): string | undefined;
}

let tracing: Tracing | undefined;

/** Turns traces on for this process, or off. */
export function traceWith(by: Tracing | undefined): void {
  tracing = by;
}

/** The trace context of what runs now, to be carried on; undefined where nothing is traced. */
export const traceparent = (): string | undefined => tracing?.traceparent();

/** By W3C Trace Context, 3.2. */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace context that an event carries; none where it is no such thing. */
export function traceparentOf(event: { readonly metadata: unknown }): string | undefined {
  // Looked at only where traces are kept: metadata are parsed when somebody looks.
  if (tracing === undefined) return undefined;
  const { metadata } = event;
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  const value = HEADER_TRACEPARENT in metadata ? metadata[HEADER_TRACEPARENT] : undefined;
  return typeof value === 'string' && TRACEPARENT.test(value) ? value : undefined;
}

/** The trace context that a message carries. */
export function traceparentIn({ headers }: { readonly headers?: MsgHdrs | undefined }): string | undefined {
  if (tracing === undefined) return undefined;
  const value = headers?.get(HEADER_TRACEPARENT);
  return value === undefined || value === '' ? undefined : value;
}

/** Headers with a trace context, by default that of what runs now; none where nothing is traced. */
export function tracedHeaders(value = traceparent()): { headers?: MsgHdrs } {
  if (value === undefined) return {};
  const carrying = headers();
  carrying.set(HEADER_TRACEPARENT, value);
  return { headers: carrying };
}

/** A span that the caller ends; undefined where nothing is traced. */
export function startSpan(name: string, about: SpanAbout): RunningSpan | undefined {
  return tracing?.start(name, about);
}

/** Runs `work` within a span that ends with it; just runs it where nothing is traced. */
export async function inSpan<T>(name: string, about: SpanAbout, work: () => Promise<T>): Promise<T> {
  const span = tracing?.start(name, about);
  if (span === undefined) return work();
  try {
    const result = await span.run(work);
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
