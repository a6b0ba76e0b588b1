import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { Access, Caller } from './access.js';
import { asRpcError } from './errors.js';

type Unary<Request, Response> = (
  call: ServerUnaryCall<Request, Response>,
  callback: sendUnaryData<Response>,
) => void;

/** Turns a function of request and caller into a unary handler; what it throws becomes the call's status. */
export function unaryFor(access: Access) {
  return <Request, Response>(
    handle: (request: Request, caller: Caller) => Promise<Response> | Response,
  ): Unary<Request, Response> =>
    (call, callback) => {
      void (async () => handle(call.request, await access.caller(call.metadata)))().then(
        (response) => callback(null, response),
        (error: unknown) => callback(asRpcError(error)),
      );
    };
}
