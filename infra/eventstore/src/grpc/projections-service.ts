import pb from '@eventstore/db-client/generated/projections_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import { type ServiceDefinition, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { SystemStreams } from '../streams/system-streams.js';
import type { Access } from './access.js';
import { accessDenied, RpcError } from './errors.js';
import { unaryFor } from './unary.js';

const STANDARD = new Set([
  '$streams',
  '$stream_by_category',
  '$by_category',
  '$by_event_type',
  '$by_correlation_id',
]);

/**
 * The service `event_store.client.projections.Projections`: the standard projections, which the server keeps itself, can
 * be enabled; projections in JavaScript are not there.
 */
export function projectionsService(
  definition: ServiceDefinition,
  systemStreams: SystemStreams,
  access: Access,
): UntypedServiceImplementation {
  const unary = unaryFor(access);
  const unimplemented = (_call: unknown, callback?: (error: RpcError) => void): void => {
    const error = new RpcError(
      status.UNIMPLEMENTED,
      'This server keeps the standard projections and has none in JavaScript.',
    );
    if (callback !== undefined) callback(error);
    else if (isEmitter(_call)) _call.emit('error', error);
  };
  const methods: UntypedServiceImplementation = Object.fromEntries(
    Object.keys(definition).map((name) => [name, unimplemented]),
  );
  return {
    ...methods,
    enable: unary(async (request: pb.EnableReq, caller) => {
      if (!access.isKnown(caller)) throw accessDenied();
      const name = request.getOptions()?.getName() ?? '';
      if (!STANDARD.has(name)) {
        throw new RpcError(
          status.UNIMPLEMENTED,
          `'${name}' is not one of the standard projections; this server has none in JavaScript.`,
        );
      }
      await systemStreams.demand();
      return new pb.EnableResp();
    }),
    restartSubsystem: unary((_request: shared.Empty, caller) => {
      if (!access.isOperator(caller)) throw accessDenied();
      return new shared.Empty();
    }),
  };
}

function isEmitter(call: unknown): call is { emit(event: string, error: Error): void } {
  return typeof call === 'object' && call !== null && 'emit' in call;
}
