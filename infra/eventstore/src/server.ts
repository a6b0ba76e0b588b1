import { randomUUID } from 'node:crypto';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import gossipGrpc from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import persistentGrpc from '@eventstore/db-client/generated/persistent_grpc_pb.js';
import serverFeaturesGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { openAccess } from './grpc/access.js';
import { gossipService, type NodeAddress } from './grpc/gossip-service.js';
import { persistentService } from './grpc/persistent-service.js';
import { rawMethods, rawService } from './grpc/raw-service.js';
import { serverFeaturesService } from './grpc/server-features.js';
import { streamsService } from './grpc/streams-service.js';
import { PersistentSubscriptions } from './persistent/groups.js';
import { disk } from './storage/files.js';
import { FolderLock } from './storage/folder-lock.js';
import { Log } from './storage/log.js';
import { EventStore } from './streams/event-store.js';
import { SubscriptionHub } from './streams/subscriptions.js';
import { SystemStreams, type SystemStreamsMode } from './streams/system-streams.js';

export interface EventStoreServerOptions {
  /** The folder that holds everything; made when it does not exist. */
  readonly dataDir: string;
  /** 0 chooses a free one. */
  readonly port: number;
  /** The address to listen on, by default loopback. */
  readonly host?: string;
  /** Whether `$ce-`, `$et-`, `$bc-`, `$category-` and `$streams` are kept; by default once one is asked for. */
  readonly systemStreams?: SystemStreamsMode;
  /** What the server has to say about its own state, by default to standard error. */
  readonly report?: (message: string) => void;
}

export interface RunningEventStore {
  readonly port: number;
  /** Finishes what was taken, ends the calls and closes the files. */
  close(): Promise<void>;
}

const MESSAGE_LIMIT = 17 * 1024 * 1024;
/** Longer calls, subscriptions above all, are cut when the server stops. */
const SHUTDOWN_GRACE_MS = 200;

/** Starts an event store on a data folder. @throws when the port is taken or the folder is in use or damaged. */
export async function startEventStore(options: EventStoreServerOptions): Promise<RunningEventStore> {
  const host = options.host ?? '127.0.0.1';
  const report = options.report ?? ((message) => process.stderr.write(`eventstore: ${message}\n`));
  const lock = FolderLock.acquire(options.dataDir);
  try {
    const log = await Log.open({
      files: disk,
      directory: options.dataDir,
      segmentSize: 256 << 20,
      segmentRecords: 1_000_000,
      report,
    });
    const store = new EventStore(log, {
      streamCache: 100_000,
      idempotencyWindow: 500_000,
      now: () => Math.round((performance.timeOrigin + performance.now()) * 1000),
    });
    const hub = new SubscriptionHub(store);
    const groups = new PersistentSubscriptions(store, report);
    store.onRecord = (record) => {
      hub.publish(record);
      groups.publish(record);
    };
    const systemStreams = new SystemStreams(store, options.systemStreams ?? 'on-demand', report);
    store.onBatch = () => {
      groups.flush();
      systemStreams.wake();
    };
    const node: NodeAddress = { instanceId: randomUUID(), host, port: options.port };
    const server = new Server({
      'grpc.max_receive_message_length': MESSAGE_LIMIT,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': 100,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 10_000,
    });
    server.addService(
      rawService(streamsGrpc.StreamsService),
      streamsService({ store, hub, systemStreams, access: openAccess, maxAppendSize: 1_048_576 }),
    );
    server.addService(
      rawMethods(persistentGrpc.PersistentSubscriptionsService, ['read']),
      persistentService({ groups, systemStreams, access: openAccess }),
    );
    server.addService(rawService(serverFeaturesGrpc.ServerFeaturesService), serverFeaturesService());
    server.addService(rawService(gossipGrpc.GossipService), gossipService(node));
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    const sockets = new Set<Socket>();
    const listener = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      injector.injectConnection(socket);
    });
    const port = await listen(listener, host, options.port);
    node.port = port;
    return {
      port,
      close: async () => {
        const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
        injector.drain(SHUTDOWN_GRACE_MS);
        await new Promise((resolve) => setTimeout(resolve, sockets.size > 0 ? SHUTDOWN_GRACE_MS : 0));
        for (const socket of sockets) socket.destroy();
        await closed;
        injector.destroy();
        server.forceShutdown();
        groups.close();
        systemStreams.stop();
        await log.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function listen(server: NetServer, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`port ${port} on ${host} is taken; choose another with --port, or 0 for a free one`)
          : error,
      );
    });
    server.listen(port, host, () => {
      const address = server.address();
      if (typeof address === 'object' && address !== null) resolve(address.port);
      else reject(new Error('the server has no address'));
    });
  });
}
