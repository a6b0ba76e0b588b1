import { createServer, type Server, type ServerResponse } from 'node:http';
import { problem } from '@oo/contracts';
import type { Log } from '../logging/log.js';
import { prometheusHandler } from '../telemetry/metrics.js';
import type { Health } from './health.js';

/**
 * `GET /health/live` and `GET /health/ready`: 200 or 503 with a report of each check; `GET /metrics`: the process's
 * figures for Prometheus. On loopback: who probes it, the
 * supervisor or a container's own health check, is on the same machine.
 */
export async function serveHealth(health: Health, port: number, log: Log): Promise<Server> {
  let metrics: ReturnType<typeof prometheusHandler> | undefined;
  const server = createServer((request, response) => {
    if (request.url === '/health/live') return send(response, 200, health.live());
    if (request.url === '/health/ready') {
      health.ready().then((report) => send(response, report.status === 'ok' ? 200 : 503, report));
      return;
    }
    if (request.url === '/metrics') {
      metrics ??= prometheusHandler(health.name, (err) => log.warn({ err }, 'a figure cannot be read'));
      metrics.then(
        (handle) => handle(request, response),
        (err: unknown) => {
          log.error({ err }, 'the figures cannot be read');
          send(response, 500, problem('internal', 'This is a bug here. See the log.'));
        },
      );
      return;
    }
    send(response, 404, problem('not-found', 'There are /health/live, /health/ready and /metrics.'));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}
