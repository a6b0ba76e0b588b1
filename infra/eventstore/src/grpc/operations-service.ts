import pb from '@eventstore/db-client/generated/operations_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import { status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Scavenges } from '../operations/scavenges.js';
import type { PersistentSubscriptions } from '../persistent/groups.js';
import type { Access, Caller } from './access.js';
import { accessDenied, RpcError } from './errors.js';
import { unaryFor } from './unary.js';

export interface OperationsServiceOptions {
  readonly scavenges: Scavenges;
  readonly groups: PersistentSubscriptions;
  readonly access: Access;
  readonly shutdown: () => void;
}

/** The service `event_store.client.operations.Operations`. */
export function operationsService({
  scavenges,
  groups,
  access,
  shutdown,
}: OperationsServiceOptions): UntypedServiceImplementation {
  const unary = unaryFor(access);
  const mustOperate = (caller: Caller): void => {
    if (!access.isOperator(caller)) throw accessDenied();
  };
  /** What means nothing on a single node whose indexes need no merging succeeds and does nothing. */
  const nothing = unary((_request: shared.Empty | pb.SetNodePriorityReq, caller) => {
    mustOperate(caller);
    return new shared.Empty();
  });
  return {
    startScavenge: unary((_request: pb.StartScavengeReq, caller) => {
      mustOperate(caller);
      const { id, started } = scavenges.start();
      const result = started
        ? pb.ScavengeResp.ScavengeResult.STARTED
        : pb.ScavengeResp.ScavengeResult.INPROGRESS;
      return new pb.ScavengeResp().setScavengeId(id).setScavengeResult(result);
    }),
    stopScavenge: unary(async (request: pb.StopScavengeReq, caller) => {
      mustOperate(caller);
      const id = request.getOptions()?.getScavengeId() ?? '';
      if (!(await scavenges.stop(id))) {
        throw new RpcError(status.NOT_FOUND, 'Scavenge id was invalid.', {
          exception: 'scavenge-not-found',
          'scavenge-id': id,
        });
      }
      return new pb.ScavengeResp()
        .setScavengeId(id)
        .setScavengeResult(pb.ScavengeResp.ScavengeResult.STOPPED);
    }),
    shutdown: unary((_request: shared.Empty, caller) => {
      mustOperate(caller);
      setTimeout(shutdown, 50);
      return new shared.Empty();
    }),
    mergeIndexes: nothing,
    resignNode: nothing,
    setNodePriority: nothing,
    restartPersistentSubscriptions: unary((_request: shared.Empty, caller) => {
      mustOperate(caller);
      groups.restart();
      return new shared.Empty();
    }),
  };
}
