import type { Metadata } from '@grpc/grpc-js';

export type StreamOperation = 'read' | 'write' | 'delete' | 'metadataRead' | 'metadataWrite';

/** Who calls, as told by the call's metadata. */
export interface Caller {
  readonly name: string;
  readonly groups: readonly string[];
}

/** Decides who may do what. `caller` throws an `RpcError` when credentials are given and wrong. */
export interface Access {
  caller(metadata: Metadata): Promise<Caller> | Caller;
  mayStream(caller: Caller, operation: 'read' | 'write' | 'delete', stream: string): boolean;
}

/** Without TLS and credentials, on loopback, anyone may do anything: EventStoreDB's insecure mode. */
export const openAccess: Access = {
  caller: () => ({ name: 'anonymous', groups: ['$admins'] }),
  mayStream: () => true,
};
