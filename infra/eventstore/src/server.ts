import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import gossipGrpc from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import monitoringGrpc from '@eventstore/db-client/generated/monitoring_grpc_pb.js';
import operationsGrpc from '@eventstore/db-client/generated/operations_grpc_pb.js';
import persistentGrpc from '@eventstore/db-client/generated/persistent_grpc_pb.js';
import projectionsGrpc from '@eventstore/db-client/generated/projections_grpc_pb.js';
import serverFeaturesGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import usersGrpc from '@eventstore/db-client/generated/users_grpc_pb.js';
import { Server } from '@grpc/grpc-js';
import { type Access, openAccess } from './grpc/access.js';
import { gossipService, type NodeAddress } from './grpc/gossip-service.js';
import { monitoringService } from './grpc/monitoring-service.js';
import { operationsService } from './grpc/operations-service.js';
import { persistentService } from './grpc/persistent-service.js';
import { projectionsService } from './grpc/projections-service.js';
import { rawMethods, rawService } from './grpc/raw-service.js';
import { serverFeaturesService } from './grpc/server-features.js';
import { streamsService } from './grpc/streams-service.js';
import { usersService } from './grpc/users-service.js';
import { appendEndpoint } from './http/append-endpoint.js';
import { httpEndpoints } from './http/endpoints.js';
import { Listener } from './http/listener.js';
import { Scavenges } from './operations/scavenges.js';
import { Statistics } from './operations/statistics.js';
import { PersistentSubscriptions } from './persistent/groups.js';
import { AccessControl } from './security/access-control.js';
import { Users } from './security/users.js';
import { checkOptions, type EventStoreServerOptions, LIMITS } from './settings.js';
import { disk, type Files } from './storage/files.js';
import { FolderLock } from './storage/folder-lock.js';
import { Log } from './storage/log.js';
import { repairLog } from './storage/repair.js';
import { EventStore } from './streams/event-store.js';
import { SubscriptionHub } from './streams/subscriptions.js';
import { SystemStreams } from './streams/system-streams.js';

export interface RunningEventStore {
  readonly port: number;
  /** Resolves when the server has ended, also when a client asked it to. */
  readonly closed: Promise<void>;
  /** Finishes what was taken, ends the calls and closes the files. */
  close(): Promise<void>;
}

/**
 * Starts an event store on a data folder.
 * @throws when an option is wrong, the port is taken, the folder is in use (`FolderInUse`) or damaged (`DamagedLog`).
 */
export async function startEventStore(
  given: EventStoreServerOptions,
  /** Where the log is kept; tests give a disk that fails. */
  files: Files = disk,
): Promise<RunningEventStore> {
  const options = checkOptions(given);
  const { report, dataDir, host } = options;
  const lock = FolderLock.acquire(dataDir);
  try {
    if (options.repair) await repairLog({ files, directory: dataDir, report });
    const log = await Log.open({
      files,
      directory: dataDir,
      segmentSize: options.segmentSize,
      segmentRecords: LIMITS.segmentRecords,
      report,
    });
    const store = new EventStore(log, {
      streamCache: options.streamCache,
      idempotencyWindow: options.idempotencyWindow,
      now: () => Math.round((performance.timeOrigin + performance.now()) * 1000),
    });
    const hub = new SubscriptionHub(store);
    const groups = new PersistentSubscriptions(store, report);
    const systemStreams = new SystemStreams(store, options.systemStreams, report);
    const users = new Users(store);
    const control = options.auth ? new AccessControl(store, users, options.allowAnonymous) : undefined;
    const access: Access = control ?? openAccess;
    const node: NodeAddress = { instanceId: randomUUID(), host: options.advertiseHost, port: options.port };
    const scavenges = new Scavenges(store, {
      files,
      directory: dataDir,
      segmentSize: options.segmentSize,
      node: `${host}:${options.port}`,
      report,
    });
    let listener: Listener | undefined;
    const connections = (): number => listener?.connections ?? 0;
    const statistics = new Statistics({ store, hub, groups, scavenges, directory: dataDir, connections });
    store.onRecord = (record) => {
      statistics.appendedEvents++;
      hub.publish(record);
      groups.publish(record);
    };
    store.onBatch = () => {
      statistics.syncs++;
      groups.flush();
      systemStreams.wake();
    };
    await createAccounts(users, options);
    const stopping = new AbortController();
    // One listener for each append whose parts are still coming.
    setMaxListeners(0, stopping.signal);

    const server = new Server({
      'grpc.max_receive_message_length': LIMITS.messageSize,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': LIMITS.streamsPerConnection,
      'grpc.keepalive_time_ms': LIMITS.keepAliveMs,
      'grpc.keepalive_timeout_ms': LIMITS.keepAliveMs,
    });
    server.addService(
      rawService(streamsGrpc.StreamsService),
      streamsService({
        store,
        hub,
        systemStreams,
        access,
        maxAppendSize: options.maxAppendSize,
        closing: stopping.signal,
      }),
    );
    server.addService(
      rawMethods(persistentGrpc.PersistentSubscriptionsService, ['read']),
      persistentService({ groups, systemStreams, access }),
    );
    server.addService(rawService(serverFeaturesGrpc.ServerFeaturesService), serverFeaturesService());
    server.addService(rawService(gossipGrpc.GossipService), gossipService(node));
    server.addService(usersGrpc.UsersService, usersService(users, access));
    server.addService(monitoringGrpc.MonitoringService, monitoringService(statistics, access));
    server.addService(
      operationsGrpc.OperationsService,
      operationsService({ scavenges, groups, access, shutdown: () => void close() }),
    );
    server.addService(
      projectionsGrpc.ProjectionsService,
      projectionsService(projectionsGrpc.ProjectionsService, systemStreams, access),
    );

    const authorize =
      control === undefined
        ? undefined
        : async (header: string | undefined): Promise<boolean> =>
            header !== undefined &&
            (await control.authenticate(header).then(
              () => true,
              () => false,
            ));
    listener = new Listener(
      server,
      httpEndpoints({
        log,
        statistics,
        node,
        authorize,
        secure: options.auth,
        append: appendEndpoint({ store, access, maxAppendSize: options.maxAppendSize }),
      }),
      options.tls,
    );
    node.port = await listener.listen(host, options.port);
    const port = node.port;

    let closing: Promise<void> | undefined;
    let ended: () => void = () => {};
    const closed = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const close = (): Promise<void> => {
      closing ??= (async () => {
        stopping.abort();
        await listener.close();
        server.forceShutdown();
        await scavenges.close();
        groups.close();
        systemStreams.stop();
        statistics.close();
        await log.close();
        lock.release();
        ended();
      })();
      return closing;
    };
    return { port, closed, close };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** `admin` and `ops`, when accounts are asked for and there are none. */
async function createAccounts(users: Users, options: ReturnType<typeof checkOptions>): Promise<void> {
  if (!options.auth) return;
  const { adminPassword, opsPassword } = options;
  if (users.find('admin') === undefined) {
    if (adminPassword === undefined) {
      throw new Error(
        'accounts are asked for and there is no administrator yet: give the first password in ' +
          'EVENTSTORE_ADMIN_PASSWORD, or as adminPassword',
      );
    }
    await users.create('admin', adminPassword, 'Event Store Administrator', ['$admins']);
  }
  if (users.find('ops') === undefined && opsPassword !== undefined) {
    await users.create('ops', opsPassword, 'Event Store Operations', ['$ops']);
  }
}
