import pb from '@eventstore/db-client/generated/users_pb.js';
import type { ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { UserConflict, type UserDetails, UserMissing, type Users, WrongPassword } from '../security/users.js';
import type { Access, Caller } from './access.js';
import { accessDenied, asRpcError, handlerThrew, RpcError } from './errors.js';
import { unaryFor } from './unary.js';

const notFound = (login: string): RpcError =>
  new RpcError(status.NOT_FOUND, `User '${login}' is not found.`, {
    exception: 'user-not-found',
    'login-name': login,
  });

const conflict = (login: string): RpcError =>
  new RpcError(status.FAILED_PRECONDITION, 'Conflict.', { exception: 'user-conflict', 'login-name': login });

/** The service `event_store.client.users.Users`. */
export function usersService(users: Users, access: Access): UntypedServiceImplementation {
  const unary = unaryFor(access);
  const mustBeAdmin = (caller: Caller): void => {
    if (!access.isAdmin(caller)) throw accessDenied();
  };
  const attempt = async (login: string, change: () => Promise<void>): Promise<void> => {
    try {
      await change();
    } catch (error) {
      if (error instanceof UserMissing) throw notFound(login);
      if (error instanceof UserConflict) throw conflict(login);
      if (error instanceof WrongPassword) throw accessDenied();
      throw error;
    }
  };
  const options = <T>(given: T | undefined): T => {
    if (given === undefined) throw handlerThrew();
    return given;
  };

  return {
    create: unary(async (request: pb.CreateReq, caller) => {
      mustBeAdmin(caller);
      const given = options(request.getOptions());
      const login = given.getLoginName();
      if (login === '') throw handlerThrew();
      await attempt(login, () =>
        users.create(login, given.getPassword(), given.getFullName(), given.getGroupsList()),
      );
      return new pb.CreateResp();
    }),
    update: unary(async (request: pb.UpdateReq, caller) => {
      mustBeAdmin(caller);
      const given = options(request.getOptions());
      await attempt(given.getLoginName(), () =>
        users.change(given.getLoginName(), (user) => ({
          ...user,
          fullName: given.getFullName(),
          groups: given.getGroupsList(),
        })),
      );
      return new pb.UpdateResp();
    }),
    delete: unary(async (request: pb.DeleteReq, caller) => {
      mustBeAdmin(caller);
      const login = options(request.getOptions()).getLoginName();
      await attempt(login, () => users.delete(login));
      return new pb.DeleteResp();
    }),
    enable: unary(async (request: pb.EnableReq, caller) => {
      mustBeAdmin(caller);
      const login = options(request.getOptions()).getLoginName();
      await attempt(login, () => users.change(login, (user) => ({ ...user, disabled: false })));
      return new pb.EnableResp();
    }),
    disable: unary(async (request: pb.DisableReq, caller) => {
      mustBeAdmin(caller);
      const login = options(request.getOptions()).getLoginName();
      await attempt(login, () => users.change(login, (user) => ({ ...user, disabled: true })));
      return new pb.DisableResp();
    }),
    changePassword: unary(async (request: pb.ChangePasswordReq, caller) => {
      const given = options(request.getOptions());
      const login = given.getLoginName();
      if (!access.isAdmin(caller) && caller.name !== login) throw accessDenied();
      await attempt(login, () =>
        users.changePassword(login, given.getCurrentPassword(), given.getNewPassword()),
      );
      return new pb.ChangePasswordResp();
    }),
    resetPassword: unary(async (request: pb.ResetPasswordReq, caller) => {
      mustBeAdmin(caller);
      const given = options(request.getOptions());
      const login = given.getLoginName();
      await attempt(login, () => users.setPassword(login, given.getNewPassword()));
      return new pb.ResetPasswordResp();
    }),
    details: (call: ServerWritableStream<pb.DetailsReq, pb.DetailsResp>) => {
      void (async () => {
        const caller = await access.caller(call.metadata);
        const login = call.request.getOptions()?.getLoginName() ?? '';
        if (!access.isAdmin(caller) && (!access.isKnown(caller) || (login !== '' && login !== caller.name))) {
          throw accessDenied();
        }
        const one = login === '' ? undefined : users.find(login);
        if (login !== '' && one === undefined) throw notFound(login);
        for (const user of one === undefined ? users.all() : [one]) call.write(details(user));
        call.end();
      })().catch((error: unknown) => {
        const { code, details: text, metadata } = asRpcError(error);
        call.emit('error', { code, details: text, metadata });
      });
    },
  };
}

function details(user: UserDetails): pb.DetailsResp {
  const updated = new pb.DetailsResp.UserDetails.DateTime().setTicksSinceEpoch(`${user.updated}0`);
  return new pb.DetailsResp().setUserDetails(
    new pb.DetailsResp.UserDetails()
      .setLoginName(user.loginName)
      .setFullName(user.fullName)
      .setGroupsList([...user.groups])
      .setDisabled(user.disabled)
      .setLastUpdated(updated),
  );
}
