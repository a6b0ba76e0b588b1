import type { Metadata } from '@grpc/grpc-js';

/** Who calls, as told by the call's metadata. */
export interface Caller {
  readonly name: string;
  readonly groups: readonly string[];
  readonly anonymous: boolean;
}

/** Decides who may do what. `caller` throws an `RpcError` when credentials are given and wrong. */
export interface Access {
  caller(metadata: Metadata): Promise<Caller> | Caller;
  mayStream(caller: Caller, operation: 'read' | 'write' | 'delete', stream: string): boolean;
  isAdmin(caller: Caller): boolean;
  /** `$admins` and `$ops`: those who run the server. */
  isOperator(caller: Caller): boolean;
  /** Anyone with an account. */
  isKnown(caller: Caller): boolean;
}

const EVERYONE: Caller = { name: 'system', groups: ['$admins'], anonymous: false };

/** Without TLS and credentials, on loopback, anyone may do anything: EventStoreDB's insecure mode. */
export const openAccess: Access = {
  caller: () => EVERYONE,
  mayStream: () => true,
  isAdmin: () => true,
  isOperator: () => true,
  isKnown: () => true,
};
