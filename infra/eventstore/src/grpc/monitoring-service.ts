import pb from '@eventstore/db-client/generated/monitoring_pb.js';
import type { ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Statistics } from '../operations/statistics.js';
import type { Access } from './access.js';
import { accessDenied, asRpcError } from './errors.js';

const SHORTEST_MS = 100;

/** The service `event_store.client.monitoring.Monitoring`: statistics now, and again each time the period is over. */
export function monitoringService(statistics: Statistics, access: Access): UntypedServiceImplementation {
  return {
    stats: (call: ServerWritableStream<pb.StatsReq, pb.StatsResp>) => {
      void (async () => {
        const caller = await access.caller(call.metadata);
        if (!access.isKnown(caller)) throw accessDenied();
        const send = (): void => {
          const response = new pb.StatsResp();
          for (const [name, value] of statistics.flat()) response.getStatsMap().set(name, value);
          if (call.writableLength < 4) call.write(response);
        };
        send();
        const period = Math.max(SHORTEST_MS, Number(call.request.getRefreshTimePeriodInMs()));
        const timer = setInterval(send, period);
        for (const end of ['cancelled', 'close', 'error'] as const) call.on(end, () => clearInterval(timer));
      })().catch((error: unknown) => {
        const { code, details, metadata } = asRpcError(error);
        call.emit('error', { code, details, metadata });
      });
    },
  };
}
