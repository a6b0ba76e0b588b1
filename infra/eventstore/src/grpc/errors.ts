import { Metadata, status } from '@grpc/grpc-js';

/** An answer other than success, in the words and trailers of EventStoreDB. */
export class RpcError extends Error {
  readonly metadata = new Metadata();

  constructor(
    readonly code: status,
    readonly details: string,
    trailers: Readonly<Record<string, string>> = {},
  ) {
    super(details);
    for (const [key, value] of Object.entries(trailers)) this.metadata.set(key, headerValue(value));
  }
}

/** gRPC metadata takes printable ASCII only. */
function headerValue(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}

export const handlerThrew = (): RpcError => new RpcError(status.UNKNOWN, 'Exception was thrown by handler.');

export const accessDenied = (): RpcError =>
  new RpcError(status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' });

export const invalidArgument = (value: string, type: string): RpcError =>
  new RpcError(status.INVALID_ARGUMENT, `'${value}' is not a valid ${type}`);

export const streamDeleted = (stream: string): RpcError =>
  new RpcError(status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': stream,
  });

export const wrongExpectedVersion = (
  operation: string,
  stream: string,
  expected: number | bigint,
  actual: number,
): RpcError =>
  new RpcError(
    status.FAILED_PRECONDITION,
    `${operation} failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${expected}, Actual version: ${actual}`,
    {
      exception: 'wrong-expected-version',
      'stream-name': stream,
      'expected-version': String(expected),
      'actual-version': String(actual),
    },
  );

export const maximumAppendSizeExceeded = (limit: number): RpcError =>
  new RpcError(status.INVALID_ARGUMENT, `Maximum Append Size of ${limit} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(limit),
  });

export const requiredMetadataMissing = (property: string): RpcError =>
  new RpcError(status.INVALID_ARGUMENT, `Required Metadata Property '${property}' is missing`, {
    exception: 'missing-required-metadata-property',
    'required-metadata-properties': 'type,content-type',
  });

/** The disk refused; what to do is in the server's log and on /health/ready. */
export const storageUnavailable = (reason: string): RpcError => new RpcError(status.UNAVAILABLE, reason);

export function asRpcError(error: unknown): RpcError {
  return error instanceof RpcError ? error : handlerThrew();
}
