import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';

/**
 * Options of a connection that is never given up: reconnects for ever, and waits when the server is not there yet.
 * @param url `nats://TOKEN@HOST:PORT`, several with commas between; the token of the first counts
 * @throws TypeError when it is not a URL
 */
export function natsOptions(url: string, name: string): NodeConnectionOptions {
  const urls = url.split(',').map((part) => new URL(part.trim()));
  const token = urls.find(({ username }) => username !== '')?.username;
  return {
    servers: urls.map(({ host }) => host),
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    waitOnFirstConnect: true,
    ...(token === undefined ? {} : { token: decodeURIComponent(token) }),
  };
}

export function connectNats(url: string, name: string): Promise<NatsConnection> {
  return connect(natsOptions(url, name));
}

/**
 * Calls `back` each time the broker is there again after it was away, until the connection is closed.
 *
 * Whoever consumes then has to begin again: the client asks once after its consumer, and where that fails, for the
 * broker cannot read what it kept of it or has not come so far, it never asks for messages again.
 */
export async function onReturn(nats: NatsConnection, back: () => void): Promise<void> {
  for await (const { type } of nats.status()) if (type === 'reconnect') back();
}
