import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NodeAddress } from '../grpc/gossip-service.js';
import { SERVER_VERSION } from '../grpc/server-features.js';
import type { Statistics } from '../operations/statistics.js';
import type { Log } from '../storage/log.js';
import { damageText } from '../storage/segment.js';

export interface EndpointOptions {
  readonly log: Log;
  readonly statistics: Statistics;
  readonly node: NodeAddress;
  /** Whether the bearer of an `authorization` header may see statistics; undefined when anyone may. */
  readonly authorize: ((header: string | undefined) => Promise<boolean>) | undefined;
  readonly secure: boolean;
  /** Takes an event that is posted to a stream. */
  readonly append: (request: IncomingMessage, response: ServerResponse, stream: string) => Promise<void>;
}

/** The number that EventStoreDB's message of this name has. */
const PONG = 2;

/** The HTTP side of the server: health, what it is, and how it does. */
export function httpEndpoints(
  options: EndpointOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    handle(options, request, response).catch(() => {
      problem(
        response,
        500,
        'Internal Server Error',
        'The request failed; the reason is in the log of the server.',
      );
    });
  };
}

async function handle(
  options: EndpointOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { log, statistics, node, authorize, secure } = options;
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  if (request.method === 'POST' && path.startsWith('/streams/')) {
    await options.append(request, response, path.slice('/streams/'.length));
    return;
  }
  request.resume();
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    notFound(response);
    return;
  }
  switch (path) {
    case '/ping':
      json(response, { msgTypeId: PONG, text: 'Ping request successfully handled' });
      return;
    case '/health/live':
      empty(response);
      return;
    case '/health/ready':
      if (log.failure !== undefined) {
        problem(response, 503, 'Service Unavailable', `Appends are refused: ${log.failure.message}`);
      } else if (log.damage.length > 0) {
        problem(response, 503, 'Service Unavailable', log.damage.map(damageText).join('; '));
      } else {
        empty(response);
      }
      return;
    case '/info':
      json(response, {
        esVersion: SERVER_VERSION,
        state: 'leader',
        features: { projections: false, userManagement: secure },
        authentication: { type: secure ? 'internal' : 'insecure', properties: {} },
      });
      return;
    case '/gossip':
      json(response, gossip(node));
      return;
    case '/stats':
    case '/metrics':
      if (authorize !== undefined && !(await authorize(request.headers.authorization))) {
        response.setHeader('www-authenticate', 'Basic realm="eventstore"');
        problem(response, 401, 'Unauthorized', 'This needs the credentials of an account.');
        return;
      }
      if (path === '/stats') json(response, statistics.nested());
      else {
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
        response.end(statistics.prometheus());
      }
      return;
    default:
      notFound(response);
  }
}

function notFound(response: ServerResponse): void {
  problem(
    response,
    404,
    'Not Found',
    'There are GET /health/live, /health/ready, /info, /gossip, /stats, /metrics, /ping, and POST /streams/NAME.',
  );
}

function gossip(node: NodeAddress): object {
  return {
    members: [
      {
        instanceId: node.instanceId,
        timeStamp: new Date().toISOString(),
        state: 'Leader',
        isAlive: true,
        httpEndPointIp: node.host,
        httpEndPointPort: node.port,
        lastCommitPosition: -1,
        writerCheckpoint: -1,
        chaserCheckpoint: -1,
        epochPosition: 0,
        epochNumber: 0,
        nodePriority: 0,
        isReadOnlyReplica: false,
      },
    ],
    serverIp: node.host,
    serverPort: node.port,
  };
}

function empty(response: ServerResponse): void {
  response.writeHead(204);
  response.end();
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** RFC 9457 */
export function problem(response: ServerResponse, status: number, title: string, detail: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title, status, detail }));
}
