import type { ServerUnaryCall, sendUnaryData, UntypedServiceImplementation } from '@grpc/grpc-js';
import { ProtoWriter } from '../wire/protobuf.js';

const LEADER = 8;
const TICKS_AT_1970 = 621355968000000000n;

export interface NodeAddress {
  readonly instanceId: string;
  readonly host: string;
  port: number;
}

/** The service `event_store.client.gossip.Gossip`: one node, the leader. */
export function gossipService(node: NodeAddress): UntypedServiceImplementation {
  return {
    read: (_call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      const member = new ProtoWriter()
        .message(1, new ProtoWriter().string(2, node.instanceId))
        .varint(2, TICKS_AT_1970 + BigInt(Date.now()) * 10000n)
        .varint(3, LEADER)
        .varint(4, 1)
        .message(5, new ProtoWriter().string(1, node.host).varint(2, node.port));
      callback(null, new ProtoWriter().message(1, member).finish());
    },
  };
}
